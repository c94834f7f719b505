"""SegFormer (Xie et al., NeurIPS 2021): the mix transformer B5 and a head of linear layers.

The initial weights are the authors' ImageNet ones, `mit_b5.pth`, or mmsegmentation's; both are read
as they are. A wrong file is refused, since from random weights DAFormer ends at 26 mIoU.
"""

model = dict(
    type='DomainAdapter',
    segmentor=dict(
        type='Segmentor',
        num_classes=19,
        backbone=dict(type='MiT', arch='b5', weights='data/weights/mit_b5.pth'),
        head=dict(type='SegFormerHead', channels=768)),
    objectives=[dict(type='Supervised')])
