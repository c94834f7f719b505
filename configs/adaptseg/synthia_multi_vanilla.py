"""AdaptSegNet, two levels, cross-entropy GAN: SYNTHIA to Cityscapes.

    daseg train adaptseg/synthia_multi_vanilla

Tsai et al., CVPR 2018, report 46.7 mIoU over 13 classes (source-only: 38.6).

mIoU13 and mIoU16 are the means over 13 and 16 of the 19 classes. The source has its own size,
1280x760; the public code has no reader for it.
"""

_base_ = ['../_base_/models/adaptsegnet_r101.py',
          '../_base_/datasets/synthia_to_cityscapes_pair.py',
          '../_base_/schedules/adaptseg.py', '../_base_/runtime.py']

model = dict(objectives=[
    dict(type='Supervised', aux_weight=0.1),
    dict(type='OutputAdversarial', level='aux', weight=0.0002,
         discriminator=dict(type='FCDiscriminator'), loss=dict(type='BCEGANLoss')),
    dict(type='OutputAdversarial', level='main', weight=0.001,
         discriminator=dict(type='FCDiscriminator'), loss=dict(type='BCEGANLoss'))])
