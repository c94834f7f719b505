"""DeepLab v3+ on ResNet-18 from random weights, supervised on CamVid by day.

    daseg train camvid/r18_day
    daseg test camvid/r18_day work_dirs/r18_day/iter_2400.pth

The difference to lite0_day.py shows what ImageNet weights are worth. Backbone and head both start
from random weights, so they share one learning rate.
"""

_base_ = ['../_base_/datasets/camvid.py', '../_base_/schedules/sgd_poly.py',
          '../_base_/runtime.py']

model = dict(
    type='DomainAdapter',
    segmentor=dict(
        type='Segmentor',
        num_classes=11,
        backbone=dict(type='ResNet', depth=18),
        head=dict(type='DeepLabV3PlusHead', channels=128)),
    objectives=[dict(type='Supervised')])

train_cfg = dict(max_iters=2400, val_interval=400)
optim_wrapper = dict(segmentor=dict(optimizer=dict(lr=0.02), lr_mult=dict(_delete_=True)))
default_hooks = dict(checkpoint=dict(interval=400, max_keep_ckpts=1))
