"""AdaptSegNet, one level, least-squares GAN: GTA5 to Cityscapes.

    daseg train adaptseg/single_lsgan

The public code of Tsai et al., CVPR 2018, reports 44.1 mIoU, the best and most stable of its
variants. As published, the network is the two-level one, with weight 0 for its auxiliary head.
"""

_base_ = ['../_base_/models/adaptsegnet_r101.py',
          '../_base_/datasets/gta5_to_cityscapes_pair.py',
          '../_base_/schedules/adaptseg.py', '../_base_/runtime.py']

model = dict(objectives=[
    dict(type='Supervised', aux_weight=0.0),
    dict(type='OutputAdversarial', level='main', weight=0.01,
         discriminator=dict(type='FCDiscriminator'), loss=dict(type='LSGANLoss'))])
