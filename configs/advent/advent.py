"""ADVENT's adversarial entropy minimisation (AdvEnt): GTA5 to Cityscapes.

    daseg train advent/advent

Vu et al., "ADVENT: Adversarial Entropy Minimization for Domain Adaptation in Semantic
Segmentation", CVPR 2019, report 43.8 mIoU. The discriminators see the contribution of each class
to the entropy of the softmax. The heads sum all four dilated branches; AdaptSegNet's sum two.
"""

_base_ = ['../_base_/models/adaptsegnet_r101.py',
          '../_base_/datasets/gta5_to_cityscapes_pair.py',
          '../_base_/schedules/adaptseg.py', '../_base_/runtime.py']

model = dict(
    segmentor=dict(head=dict(branches=4), aux_head=dict(branches=4)),
    objectives=[
        dict(type='Supervised', aux_weight=0.1),
        dict(type='OutputAdversarial', level='aux', weight=0.0002, map='entropy',
             discriminator=dict(type='FCDiscriminator'), loss=dict(type='BCEGANLoss')),
        dict(type='OutputAdversarial', level='main', weight=0.001, map='entropy',
             discriminator=dict(type='FCDiscriminator'), loss=dict(type='BCEGANLoss'))])
train_cfg = dict(max_iters=120000)
