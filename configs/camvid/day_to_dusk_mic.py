"""From day to dusk on CamVid's photographs at full size: MIC on HRDA on a small network.

    daseg train camvid/day_to_dusk_hrda_source_only
    daseg train camvid/day_to_dusk_mic
    daseg test camvid/day_to_dusk_mic work_dirs/day_to_dusk_mic/iter_225.pth

Hoyer et al., "MIC", CVPR 2023. As `day_to_dusk_hrda.py`, with a further pass of each step on images
at dusk of which 70 % is hidden: the network predicts what the teacher says of the whole image.
Hidden blocks change the statistics of batch norm, so that the teacher, which is what is tested, has
its own.
"""

_base_ = ['./day_to_dusk_hrda_source_only.py']

load_from = 'work_dirs/day_to_dusk_hrda_source_only/iter_450.pth'
taught = dict(loss='supervised', weights=_base_.detail_weights)
model = dict(
    objectives=[
        dict(_base_.fit_labels, weights=_base_.detail_weights),
        dict(
            type='FeatureDistance', backbone=_base_.model.segmentor.backbone, weight=0.005,
            classes=['sign', 'car', 'pedestrian', 'bicyclist']),
        dict(type='ClassMix', **taught),
        dict(type='MaskedConsistency', block=16, hidden=0.7, **taught)],
    teacher_momentum=0.02, teacher_statistics='batch', teacher_buffers='own')
train_cfg = dict(max_iters=225, val_interval=225)
optim_wrapper = dict(segmentor=dict(optimizer=dict(lr=0.003)))
default_hooks = dict(checkpoint=dict(interval=225))
