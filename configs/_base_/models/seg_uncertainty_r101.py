"""The two-level network of Seg-Uncertainty (Zheng and Yang, IJCAI 2020, IJCV 2021): AdaptSegNet's
backbone with larger heads: five branches, group norm, squeeze-and-excitation, dropout. The main
head reads layer4 and layer3, the auxiliary one layer3.
"""

model = dict(
    type='DomainAdapter',
    segmentor=dict(
        type='Segmentor',
        num_classes=19,
        to_bgr=True,
        mean=(122.67891434, 116.66876762, 104.00698793),
        std=(1.0, 1.0, 1.0),
        backbone=dict(
            type='ResNet', depth=101, style='caffe', output_stride=8, frozen_affine=True,
            weights='data/weights/DeepLab_resnet_pretrained_init-f81d91e8.pth'),
        head=dict(type='SegUncertaintyHead', in_index=(-1, -2), norm='gn', use_se=True, dropout=0.1),
        aux_head=dict(type='SegUncertaintyHead', in_index=-2, norm='gn', use_se=True, dropout=0.1),
        align_corners=True,
        inference=dict(type='WholeInference', aux_weight=0.5)),
    objectives=[dict(type='Supervised', aux_weight=0.5)])
