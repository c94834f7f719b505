"""From day to dusk on CamVid's photographs at full size: mixed and masked images.

    daseg train camvid/day_to_dusk_source_only
    daseg train camvid/day_to_dusk_masked
    daseg test camvid/day_to_dusk_masked work_dirs/day_to_dusk_masked/iter_225.pth

The recipe of `game_to_day.py`, which was found on photographs by day, at this pair's size and
rates: beside mixtures (Tranheden et al., "DACS", WACV 2021) the network learns from images at dusk
of which 70 % is hidden (Hoyer et al., "MIC", CVPR 2023). The teacher labels every pixel of which it
is at least half sure, without class weights, and has the statistics of the dusk, also in testing.
"""

_base_ = ['./day_to_dusk.py']

taught = dict(loss=dict(type='CrossEntropyLoss'), weighting='pixel', confidence=0.5)
model = dict(
    objectives=[
        _base_.fit_labels,
        dict(type='ClassMix', **taught),
        dict(type='MaskedConsistency', block=32, **taught)],
    teacher_buffers='own')
