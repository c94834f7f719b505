"""What VFM-UDA (Englert et al., CVPR Workshops 2024) trains for: `daformer.py` without the feature
distance, and with masked images; the teacher's answer is averaged with that for the mirror image.
Its running statistics would be averaged, too, but the network has none.
"""

_base_ = ['./daformer.py']

# 3 % of a crop of 1024 at the top, left and right, and 25 % at the bottom.
_border = dict(flip=True, ignore_top=31, ignore_bottom=256, ignore_left=31, ignore_right=31)
flipped_mix = dict(_base_.class_mix, **_border)
flipped_masked = dict(_base_.masked, **_border)
averaged_teacher = dict(teacher_momentum=0.001, teacher_start='initial', evaluate='student')
# VFM-UDA++ (Englert et al., 2025): near the features of a large frozen model, which sees crops of
# 1024 pixels at 406, after a projector that is trained with the segmentor.
projected_distance = dict(
    type='FeatureDistance', weight=0.1, classes=None, domains=['source', 'target'],
    distance='cosine', projector=True, backbone=dict(
        type='ViTBackbone', arch='dinov2_large_reg4', resize=0.4,
        weights='data/weights/dinov2_vitl14_reg4_pretrain.pth'))
