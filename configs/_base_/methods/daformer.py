"""What DAFormer, HRDA and MIC (Hoyer et al., CVPR 2022, ECCV 2022, CVPR 2023) train for, as their
public codes have it. Helper variables, from which a config takes what it needs.

All losses are means over all pixels, ignored ones included. The teacher begins with the initial
weights, normalises by its batch, and is not what is tested: the student is.
"""

supervised = dict(type='Supervised', loss=dict(type='CrossEntropyLoss', mean='all'))
feature_distance = dict(type='FeatureDistance', weight=0.005)
_taught = dict(loss='supervised', confidence=0.968, colors='hsv', joint=True, jitter=0.2)
class_mix = dict(type='ClassMix', classes_of='batch', paste_ignored=True, **_taught)
masked = dict(type='MaskedConsistency', block=64, hidden=0.7, **_taught)
# The rows of a rectified image without a picture, and of the own car, at 1024x512; crops are as high.
margins = dict(ignore_top=15, ignore_bottom=120)
# The same at 2048x1024, for crops of 1024 rows; HRDA's data mark theirs by `IgnoreMargins` instead.
large_margins = dict(ignore_top=30, ignore_bottom=240)
teacher = dict(
    teacher_momentum=0.001, teacher_start='initial', teacher_statistics='batch',
    teacher_buffers='own', evaluate='student')
