r"""CyCADA's translation: CycleGAN from GTA5 to Cityscapes with semantic consistency.

    daseg train cyclegan/gta2cityscapes_semantic

Hoffman et al., "CyCADA: Cycle-Consistent Adversarial Domain Adaptation", ICML 2018, eq. (4): the
prediction of a frozen segmentor for the translation has to agree with its prediction for the
image. CycleGAN alone is free to turn sky into trees, since the city has less sky than the game.
The segmentor is that of configs/style_transfer/source_only.py, trained before: it has seen the
labels of GTA5 and none of Cityscapes. The weight of 1 is ours. In a small world:

    daseg train cyclegan/gta2cityscapes_semantic --world demo --cfg-options \
        model.segmentor_weights=work_dirs/demo/style_transfer_source_only/iter_120.pth
"""

_base_ = ['./gta2cityscapes.py']

head = dict(type='SegUncertaintyHead', norm='gn', use_se=True, dropout=0.1)
model = dict(
    semantic_weight=1.0,
    segmentor_weights='work_dirs/source_only/iter_110000.pth',
    segmentor=dict(
        type='Segmentor',
        num_classes=19,
        to_bgr=True,
        mean=(122.67891434, 116.66876762, 104.00698793),
        std=(1.0, 1.0, 1.0),
        backbone=dict(type='ResNet', depth=101, style='caffe', output_stride=8, frozen_affine=True),
        head=dict(head, in_index=(-1, -2)),
        aux_head=dict(head, in_index=-2),
        align_corners=True))
