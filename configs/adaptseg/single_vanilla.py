"""AdaptSegNet, one level, cross-entropy GAN: GTA5 to Cityscapes.

    python tools/train.py configs/adaptseg/single_vanilla.py
    python tools/train.py configs/adaptseg/single_vanilla.py --world demo

Tsai et al., CVPR 2018, have 41.4 mIoU, as quoted in a later paper's table. As in the public code the network is that of two
levels, so that its weights load; the auxiliary head has weight 0: it learns nothing and changes
nothing.

Not yet run here on the real images, which need a GPU; the second command runs it in the
embedded world, within minutes.
"""

_base_ = ['../_base_/models/adaptsegnet_r101.py',
          '../_base_/datasets/gta5_to_cityscapes_pair.py',
          '../_base_/schedules/adaptseg.py', '../_base_/runtime.py']

model = dict(objectives=[
    dict(type='Supervised', aux_weight=0.0),
    dict(type='OutputAdversarial', level='main', weight=0.001,
         discriminator=dict(type='FCDiscriminator'), loss=dict(type='BCEGANLoss'))])
