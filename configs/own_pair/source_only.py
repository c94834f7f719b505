"""Your own pair, source-only: what adaptation is compared with, and starts from.

    daseg configs copy own_pair/source_only     # then edit configs/own_pair/_base_/data.py
    daseg check-data configs/own_pair/adapted.py
    daseg train configs/own_pair/source_only.py
    daseg test configs/own_pair/source_only.py work_dirs/source_only/iter_1000.pth

A pyramid head on EfficientNet-Lite0 from ImageNet weights, the demo's network. As no objective
reads the target, only its scores without labels are computed on it.
"""

_base_ = ['./_base_/data.py', '../_base_/schedules/sgd_poly.py', '../_base_/runtime.py']

model = dict(
    type='DomainAdapter',
    segmentor=dict(
        type='Segmentor',
        num_classes=len(_base_.source_classes),
        mean=(127, 127, 127), std=(128, 128, 128),
        backbone=dict(type='EfficientNetLite0', output_stride=32, weights='package'),
        head=dict(type='FPNHead')),
    objectives=[dict(type='Supervised')])

train_cfg = dict(max_iters=1000, val_interval=100)
optim_wrapper = dict(segmentor=dict(optimizer=dict(lr=0.01), lr_mult=dict(head=10)))
param_scheduler = [dict(type='PolyDecay'), dict(type='LinearRamp', end=20)]
default_hooks = dict(checkpoint=dict(interval=200, max_keep_ckpts=5))
