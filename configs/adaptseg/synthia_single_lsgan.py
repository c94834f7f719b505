"""AdaptSegNet, one level, least-squares GAN: SYNTHIA to Cityscapes.

    daseg train adaptseg/synthia_single_lsgan

There is no published number. The adversarial weight is that of the public code of Tsai et al.,
CVPR 2018, for GTA5. The network is the two-level one, with weight 0 for its auxiliary head.

mIoU13 and mIoU16 are the means over 13 and 16 of the 19 classes. The source has its own size,
1280x760; the public code has no reader for it.
"""

_base_ = ['../_base_/models/adaptsegnet_r101.py',
          '../_base_/datasets/synthia_to_cityscapes_pair.py',
          '../_base_/schedules/adaptseg.py', '../_base_/runtime.py']

model = dict(objectives=[
    dict(type='Supervised', aux_weight=0.0),
    dict(type='OutputAdversarial', level='main', weight=0.01,
         discriminator=dict(type='FCDiscriminator'), loss=dict(type='LSGANLoss'))])
