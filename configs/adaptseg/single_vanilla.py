"""AdaptSegNet, one level, cross-entropy GAN: GTA5 to Cityscapes.

    daseg train adaptseg/single_vanilla

Tsai et al., CVPR 2018, report 41.4 mIoU, as quoted in a later paper's table. As in the public
code, the network is the two-level one, so that its weights load; the auxiliary head has weight 0:
it learns nothing and changes nothing.
"""

_base_ = ['../_base_/models/adaptsegnet_r101.py',
          '../_base_/datasets/gta5_to_cityscapes_pair.py',
          '../_base_/schedules/adaptseg.py', '../_base_/runtime.py']

model = dict(objectives=[
    dict(type='Supervised', aux_weight=0.0),
    dict(type='OutputAdversarial', level='main', weight=0.001,
         discriminator=dict(type='FCDiscriminator'), loss=dict(type='BCEGANLoss'))])
