"""DeepLab v2 on ResNet-101 as in the code of DAFormer, HRDA and MIC, for comparison with older
methods: a stem of three convolutions, output stride 8, and, as in AdaptSegNet, a sum of two dilated
branches. Batch norm is trained, and normalises by the batch.

The initial weights are mmsegmentation's `resnet101_v1c`, trained on ImageNet.
"""

model = dict(
    type='DomainAdapter',
    segmentor=dict(
        type='Segmentor',
        num_classes=19,
        backbone=dict(
            type='ResNet', depth=101, deep_stem=True, output_stride=8,
            weights='data/weights/resnet101_v1c.pth'),
        head=dict(type='DeepLabV2Head', dilations=(6, 12), branches=2)),
    objectives=[dict(type='Supervised')])
