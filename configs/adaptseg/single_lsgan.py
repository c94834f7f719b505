"""AdaptSegNet, one level, least-squares GAN: GTA5 to Cityscapes.

    python tools/train.py configs/adaptseg/single_lsgan.py
    python tools/train.py configs/adaptseg/single_lsgan.py --world demo

The public code of Tsai et al., CVPR 2018, reports 44.1 mIoU, the best of its variants and the
steadiest. The network is that of two levels, its auxiliary head of weight 0, as published.

Not yet run here on the real images, which need a GPU; the second command runs it in the
embedded world, within minutes.
"""

_base_ = ['../_base_/models/adaptsegnet_r101.py',
          '../_base_/datasets/gta5_to_cityscapes_pair.py',
          '../_base_/schedules/adaptseg.py', '../_base_/runtime.py']

model = dict(objectives=[
    dict(type='Supervised', aux_weight=0.0),
    dict(type='OutputAdversarial', level='main', weight=0.01,
         discriminator=dict(type='FCDiscriminator'), loss=dict(type='LSGANLoss'))])
