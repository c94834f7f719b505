"""AdaptSegNet, two levels, least-squares GAN: GTA5 to Cityscapes.

    daseg train adaptseg/multi_lsgan

Tsai et al., CVPR 2018, have no number for two levels with this loss. The adversarial weights 0.002
and 0.01 are what its authors suggest to users; they did not test them.
"""

_base_ = ['../_base_/models/adaptsegnet_r101.py',
          '../_base_/datasets/gta5_to_cityscapes_pair.py',
          '../_base_/schedules/adaptseg.py', '../_base_/runtime.py']

model = dict(objectives=[
    dict(type='Supervised', aux_weight=0.1),
    dict(type='OutputAdversarial', level='aux', weight=0.002,
         discriminator=dict(type='FCDiscriminator'), loss=dict(type='LSGANLoss')),
    dict(type='OutputAdversarial', level='main', weight=0.01,
         discriminator=dict(type='FCDiscriminator'), loss=dict(type='LSGANLoss'))])
