"""AdaptSegNet, two levels, least-squares GAN: SYNTHIA to Cityscapes.

    daseg train adaptseg/synthia_multi_lsgan

There is no published number. The adversarial weights 0.002 and 0.01 are what the authors of Tsai
et al., CVPR 2018, suggest for GTA5; they did not test them.

mIoU13 and mIoU16 are the means over 13 and 16 of the 19 classes. The source has its own size,
1280x760; the public code has no reader for it.
"""

_base_ = ['../_base_/models/adaptsegnet_r101.py',
          '../_base_/datasets/synthia_to_cityscapes_pair.py',
          '../_base_/schedules/adaptseg.py', '../_base_/runtime.py']

model = dict(objectives=[
    dict(type='Supervised', aux_weight=0.1),
    dict(type='OutputAdversarial', level='aux', weight=0.002,
         discriminator=dict(type='FCDiscriminator'), loss=dict(type='LSGANLoss')),
    dict(type='OutputAdversarial', level='main', weight=0.01,
         discriminator=dict(type='FCDiscriminator'), loss=dict(type='LSGANLoss'))])
