r"""From the drawn game to CamVid by day, source-only: trained on the game alone.

    daseg make-demo --root data/game --game varied --size 480 360 \
        --num-target 1 --num-val 1 --num-test 1
    daseg train camvid/game_source_only
    daseg test camvid/game_source_only work_dirs/game_source_only/iter_200.pth
    daseg test camvid/game_source_only work_dirs/game_source_only/iter_200.pth --adabn

A pyramid head on EfficientNet-Lite0 from ImageNet weights. The class weights are those of the game,
by `daseg class-weights camvid/game_source_only --rule sqrt`. The unlabelled photographs are loaded,
for AdaBN, and not learnt.
"""

_base_ = ['../_base_/datasets/camvid_game_to_day.py', '../_base_/schedules/sgd_poly.py',
          '../_base_/runtime.py']

fit_labels = dict(type='Supervised', loss=dict(type='CrossEntropyLoss', class_weights=[
    0.422, 0.338, 1.134, 0.277, 0.724, 0.467, 2.416, 1.471, 0.636, 1.571, 1.543]))
model = dict(
    type='DomainAdapter',
    segmentor=dict(
        type='Segmentor',
        num_classes=11,
        mean=(127, 127, 127), std=(128, 128, 128),
        backbone=dict(type='EfficientNetLite0', output_stride=32, weights='package'),
        head=dict(type='FPNHead')),
    objectives=[fit_labels])

train_cfg = dict(max_iters=200, val_interval=200)
optim_wrapper = dict(segmentor=dict(optimizer=dict(lr=0.01), lr_mult=dict(head=10)))
param_scheduler = [dict(type='PolyDecay'), dict(type='LinearRamp', end=10)]
default_hooks = dict(checkpoint=dict(interval=200, max_keep_ckpts=1))
