"""The two-level network of AdaptSegNet (Tsai et al., CVPR 2018): DeepLab v2 (Chen et al., TPAMI
2018) on ResNet-101 in Caffe's style, output stride 8, with an auxiliary head on layer3.

What its public code does and the paper does not state: only the first two of the four dilated
branches are summed; batch norm's scale and shift are frozen, its running statistics are not.

Its optimizer lists each weight of the backbone's convolutions several times, mostly three, so that
the backbone learns about three times as fast as the learning rate says. daseg lists each weight
once; `optim_wrapper.segmentor.emulate_duplicate_groups=True` does as the published code.

The initial weights are the published ones, converted from Caffe: for images in blue-green-red
order, without division by a standard deviation. Put the file where `weights` says.
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
        head=dict(type='DeepLabV2Head', branches=2),
        aux_head=dict(type='DeepLabV2Head', branches=2, in_index=-2),
        align_corners=True),
    objectives=[dict(type='Supervised', aux_weight=0.1)])
