"""From day to dusk on CamVid's photographs at full size: DACS on a small network.

    export DASEG_CAMVID=FOLDER
    daseg train camvid/day_to_dusk
    daseg test camvid/day_to_dusk work_dirs/day_to_dusk/iter_2000.pth

Tranheden et al., "DACS", WACV 2021, with the rare class sampling of Hoyer et al., "DAFormer", CVPR
2022, on EfficientNet-Lite0 from ImageNet weights: the pair that `--world camvid` runs at half the
size. Validated by day, whose labels are known; what is measured at dusk is measured once. Without
ClassMix (`model.objectives="[dict(type='Supervised')]"`) it is the source-only baseline. The values
are the world's, not tuned on this pair.
"""

_base_ = ['../_base_/datasets/camvid_day_to_dusk.py', '../_base_/schedules/sgd_poly.py',
          '../_base_/runtime.py']

model = dict(
    type='DomainAdapter',
    segmentor=dict(
        type='Segmentor',
        num_classes=11,
        mean=(127, 127, 127), std=(128, 128, 128),
        backbone=dict(type='EfficientNetLite0', output_stride=16, weights='package'),
        head=dict(type='FPNHead')),
    objectives=[dict(type='Supervised'), dict(type='ClassMix')],
    teacher_momentum=0.01)

train_cfg = dict(max_iters=2000, val_interval=250)
optim_wrapper = dict(segmentor=dict(optimizer=dict(lr=0.01), lr_mult=dict(head=10)))
default_hooks = dict(checkpoint=dict(interval=500, max_keep_ckpts=1))
