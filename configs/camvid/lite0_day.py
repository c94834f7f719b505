r"""DeepLab v3+ on EfficientNet-Lite0 from ImageNet weights, supervised on CamVid by day.

    daseg train camvid/lite0_day
    daseg test camvid/lite0_day work_dirs/lite0_day/iter_2000.pth

The weights come with a package, which `make setup` installs. Tested at dusk, it is the source-only
baseline of the adaptation from day to dusk:

    daseg test camvid/lite0_day work_dirs/lite0_day/iter_2000.pth \
        --out work_dirs/lite0_day/test_dusk \
        --cfg-options test_dataloader.dataset.list_file=lists/dusk_test.txt
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

train_cfg = dict(max_iters=2000, val_interval=250)
optim_wrapper = dict(segmentor=dict(optimizer=dict(lr=0.01), lr_mult=dict(head=10)))
default_hooks = dict(checkpoint=dict(interval=500, max_keep_ckpts=1))
