"""From day to dusk on CamVid's photographs at full size: MIC on HRDA on a small network.

    daseg train camvid/day_to_dusk_hrda_source_only
    daseg train camvid/day_to_dusk_mic
    daseg test camvid/day_to_dusk_mic work_dirs/day_to_dusk_mic/iter_225.pth

Hoyer et al., "MIC", CVPR 2023. As `day_to_dusk_hrda.py`, with a further pass of each step on images
at dusk of which 70 % is hidden: the network predicts what the teacher says of the whole image.
Hidden blocks change the statistics of batch norm, so that the teacher, which is what is tested, has
its own.
"""

_base_ = ['./day_to_dusk_hrda.py']

masked = dict(
    type='MaskedConsistency', block=16, hidden=0.7, loss='supervised',
    weights=_base_.detail_weights)
model = dict(
    objectives=[_base_.fit_labels, _base_.feature_distance, _base_.class_mix, masked],
    teacher_buffers='own')
