"""The embedded world, source-only: DeepLab v3+ on ResNet-18, trained on the game alone.

    daseg make-demo
    daseg train demo/source_only
    daseg test demo/source_only work_dirs/source_only/iter_400.pth

A few minutes on a laptop's CPU, from random weights.
"""

_base_ = ['../_base_/datasets/demo.py', '../_base_/schedules/sgd_poly.py',
          '../_base_/runtime.py']

model = dict(
    type='DomainAdapter',
    segmentor=dict(
        type='Segmentor',
        num_classes=19,
        backbone=dict(type='ResNet', depth=18),
        head=dict(type='DeepLabV3PlusHead', channels=128)),
    objectives=[dict(type='Supervised')])

train_cfg = dict(max_iters=400, val_interval=100)
# From random weights Adam's steps get further in 400 iterations than SGD's.
optim_wrapper = dict(segmentor=dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=4e-3, weight_decay=0.01),
    lr_mult=dict(_delete_=True)))
default_hooks = dict(checkpoint=dict(interval=200, max_keep_ckpts=1))
