"""What VFM-UDA (Englert et al., CVPR Workshops 2024) trains for: `daformer.py` without the feature
distance, and with masked images; the teacher's answer is averaged with that for the mirror image.
Its running statistics would be averaged, too, but the network has none.
"""

_base_ = ['./daformer.py']

_border = dict(flip=True, ignore_top=31, ignore_bottom=256)  # 3 % and 25 % of the rows
flipped_mix = dict(_base_.class_mix, **_border)
flipped_masked = dict(_base_.masked, **_border)
averaged_teacher = dict(teacher_momentum=0.001, teacher_start='initial', evaluate='student')
