"""CamVid by day at full size, tested at dusk: where `day_to_dusk.py` starts.

    export DASEG_CAMVID=FOLDER
    daseg train camvid/day_to_dusk_source_only
    daseg test camvid/day_to_dusk_source_only work_dirs/day_to_dusk_source_only/iter_450.pth
    daseg test camvid/day_to_dusk_source_only work_dirs/day_to_dusk_source_only/iter_450.pth --adabn

A pyramid head on EfficientNet-Lite0 from ImageNet weights. Rare classes are drawn more often (Hoyer
et al., "DAFormer", CVPR 2022), and weigh more: the class weights are those of
`daseg class-weights camvid/day_to_dusk_source_only --rule sqrt`.
"""

_base_ = ['../_base_/datasets/camvid_day_to_dusk.py', '../_base_/schedules/sgd_poly.py',
          '../_base_/runtime.py']

fit_labels = dict(type='Supervised', loss=dict(type='CrossEntropyLoss', class_weights=[
    0.341, 0.294, 1.381, 0.236, 0.652, 0.45, 1.276, 1.227, 0.603, 1.739, 2.8]))
model = dict(
    type='DomainAdapter',
    segmentor=dict(
        type='Segmentor',
        num_classes=11,
        mean=(127, 127, 127), std=(128, 128, 128),
        backbone=dict(type='EfficientNetLite0', output_stride=32, weights='package'),
        head=dict(type='FPNHead')),
    objectives=[fit_labels])

train_cfg = dict(max_iters=450, val_interval=450)
optim_wrapper = dict(segmentor=dict(optimizer=dict(lr=0.01), lr_mult=dict(head=10)))
param_scheduler = [dict(type='PolyDecay'), dict(type='LinearRamp', end=20)]
default_hooks = dict(checkpoint=dict(interval=450, max_keep_ckpts=1))
