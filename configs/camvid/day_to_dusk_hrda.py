"""From day to dusk on CamVid's photographs at full size: HRDA on a small network.

    daseg train camvid/day_to_dusk_hrda_source_only
    daseg train camvid/day_to_dusk_hrda
    daseg test camvid/day_to_dusk_hrda work_dirs/day_to_dusk_hrda/iter_225.pth --adabn

Hoyer et al., "HRDA", ECCV 2022: DAFormer's training, as in `day_to_dusk_daformer.py`, of a network
that fuses context and details. Its running statistics of batch norm are those of several kinds of
passes, and without AdaBN they spoiled two of three trainings.
"""

_base_ = ['./day_to_dusk_hrda_source_only.py']

load_from = 'work_dirs/day_to_dusk_hrda_source_only/iter_450.pth'
model = dict(
    objectives=[
        dict(_base_.fit_labels, weights=_base_.detail_weights),
        dict(
            type='FeatureDistance', backbone=_base_.model.segmentor.backbone, weight=0.005,
            classes=['sign', 'car', 'pedestrian', 'bicyclist']),
        dict(type='ClassMix', loss='supervised', weights=_base_.detail_weights)],
    teacher_momentum=0.02, teacher_statistics='batch')
train_cfg = dict(max_iters=225, val_interval=225)
optim_wrapper = dict(segmentor=dict(optimizer=dict(lr=0.003)))
default_hooks = dict(checkpoint=dict(interval=225))
