"""AdaptSegNet, two levels, cross-entropy GAN: GTA5 to Cityscapes.

    daseg train adaptseg/multi_vanilla

Tsai et al., "Learning to Adapt Structured Output Space for Semantic Segmentation", CVPR 2018,
report 42.4 mIoU (source-only: 36.6). Users of the public code report 39.5 to 42.5, with
differences of points between checkpoints. For PyTorch 0.4 its authors advise a quarter and a half
of the adversarial weights, 0.00005 and 0.0005.
"""

_base_ = ['../_base_/models/adaptsegnet_r101.py',
          '../_base_/datasets/gta5_to_cityscapes_pair.py',
          '../_base_/schedules/adaptseg.py', '../_base_/runtime.py']

model = dict(objectives=[
    dict(type='Supervised', aux_weight=0.1),
    dict(type='OutputAdversarial', level='aux', weight=0.0002,
         discriminator=dict(type='FCDiscriminator'), loss=dict(type='BCEGANLoss')),
    dict(type='OutputAdversarial', level='main', weight=0.001,
         discriminator=dict(type='FCDiscriminator'), loss=dict(type='BCEGANLoss'))])
