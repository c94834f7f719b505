"""What VFM-UDA (Englert et al., CVPR Workshops 2024) trains for, as its public code has it. Helper
variables, beside those of `daformer.py`.

The source's loss is a mean over its labelled pixels, those of mixtures and masked images are means
over all pixels. Colours change by torchvision's rules, each image's by itself. The teacher's answer
is averaged with that for the mirror image. Its running statistics would be averaged, too, but the
network has none.
"""

_base_ = ['./daformer.py']

source_labels = dict(type='Supervised')
_flipped = dict(
    loss=dict(type='CrossEntropyLoss', mean='all'), flip=True, colors='rgb', joint=False)
flipped_mix = dict(_base_.class_mix, **_flipped)
# 18 x 18 blocks of a crop of 1024: theirs are of 64 pixels of the image at 1120.
flipped_masked = dict(_base_.masked, **_flipped, block=57)
averaged_teacher = dict(teacher_momentum=0.001, teacher_start='initial', evaluate='student')
# VFM-UDA++ (Englert et al., 2025): near the features of a large frozen model, which sees crops of
# 1024 pixels at 406, after a projector that is trained with the segmentor.
projected_distance = dict(
    type='FeatureDistance', weight=0.1, classes=None, domains=['source', 'target'],
    distance='cosine', projector=True, backbone=dict(
        type='ViTBackbone', arch='dinov2_large_reg4', resize=0.4,
        weights='data/weights/dinov2_vitl14_reg4_pretrain.pth'))
