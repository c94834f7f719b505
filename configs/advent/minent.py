"""ADVENT's direct entropy minimisation (MinEnt): GTA5 to Cityscapes.

    daseg train advent/minent

Vu et al., "ADVENT: Adversarial Entropy Minimization for Domain Adaptation in Semantic
Segmentation", CVPR 2019. There is no discriminator: the mean entropy of both heads' predictions on
the target is minimised. The heads sum all four dilated branches; AdaptSegNet's sum two.
"""

_base_ = ['../_base_/models/adaptsegnet_r101.py',
          '../_base_/datasets/gta5_to_cityscapes_pair.py',
          '../_base_/schedules/sgd_poly.py', '../_base_/runtime.py']

model = dict(
    segmentor=dict(head=dict(branches=4), aux_head=dict(branches=4)),
    objectives=[
        dict(type='Supervised', aux_weight=0.1),
        dict(type='EntropyMinimization', weight=0.001, aux_weight=0.0002)])
train_cfg = dict(max_iters=120000, val_interval=5000)
optim_wrapper = dict(segmentor=dict(lr_mult=dict(aux_head=10)))
param_scheduler = [dict(type='PolyDecay', end=250000)]
