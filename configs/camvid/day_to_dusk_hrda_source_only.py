r"""CamVid by day at full size at two resolutions: where `day_to_dusk_hrda.py` starts.

    export DASEG_CAMVID=FOLDER
    daseg train camvid/day_to_dusk_hrda_source_only
    daseg test camvid/day_to_dusk_hrda_source_only \
        work_dirs/day_to_dusk_hrda_source_only/iter_450.pth

Hoyer et al., "HRDA", ECCV 2022. As `day_to_dusk_source_only.py`; of each window of 256x320 the
network sees the whole at half its size, and a detail of 128x160 at full size. Where it predicts,
the windows of details lie side by side; half over each other, as published, takes 2.5 times as
long.
"""

_base_ = ['./day_to_dusk_source_only.py']

detail_weights = dict(main=0.9, detail=0.1)
model = dict(
    segmentor=dict(
        type='HRDASegmentor', attention=dict(type='FPNHead'), detail_size=(128, 160),
        detail_stride=(128, 160), box_multiple=8),
    objectives=[dict(_base_.fit_labels, weights=detail_weights)])
