"""DeepLab v3+ on ResNet-18 from random weights, supervised on CamVid by day.

    python tools/train.py configs/camvid/r18_day.py
    python tools/test.py configs/camvid/r18_day.py work_dirs/r18_day/iter_2400.pth

What ImageNet weights are worth is the distance to lite0_day.py. Backbone and head start alike,
so that they learn at one rate.
"""

_base_ = ['./lite0_day.py']

model = dict(segmentor=dict(
    mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375),
    backbone=dict(_delete_=True, type='ResNet', depth=18, output_stride=32)))

train_cfg = dict(max_iters=2400, val_interval=400)
optim_wrapper = dict(segmentor=dict(optimizer=dict(lr=0.02), lr_mult=dict(_delete_=True)))
