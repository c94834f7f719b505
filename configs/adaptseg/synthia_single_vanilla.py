"""AdaptSegNet, one level, cross-entropy GAN: SYNTHIA to Cityscapes.

    daseg train adaptseg/synthia_single_vanilla

Tsai et al., CVPR 2018, report 45.9 mIoU over 13 classes. As in the public code, the network is the
two-level one, with weight 0 for its auxiliary head.

mIoU13 and mIoU16 are the means over 13 and 16 of the 19 classes. The source has its own size,
1280x760; the public code has no reader for it.
"""

_base_ = ['../_base_/models/adaptsegnet_r101.py',
          '../_base_/datasets/synthia_to_cityscapes_pair.py',
          '../_base_/schedules/adaptseg.py', '../_base_/runtime.py']

model = dict(objectives=[
    dict(type='Supervised', aux_weight=0.0),
    dict(type='OutputAdversarial', level='main', weight=0.001,
         discriminator=dict(type='FCDiscriminator'), loss=dict(type='BCEGANLoss'))])
