"""DeepLab v3+ (Chen et al., ECCV 2018) on ResNet-101 at output stride 16, as in SegmenTron."""

model = dict(
    type='DomainAdapter',
    segmentor=dict(
        type='Segmentor',
        num_classes=19,
        backbone=dict(type='ResNet', depth=101, output_stride=16, weights='imagenet'),
        head=dict(type='DeepLabV3PlusHead', align_corners=True),
        align_corners=True),
    objectives=[dict(type='Supervised')])
