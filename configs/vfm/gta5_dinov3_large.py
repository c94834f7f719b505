"""VFM-UDA on DINOv3 ViT-L: GTA5 to Cityscapes.

    daseg train vfm/gta5_dinov3_large

Englert et al., "Exploring the Benefits of Vision Foundation Models for Unsupervised Domain
Adaptation", CVPR Workshops 2024: a foundation model with a light head, trained with mixtures and
masked images that a teacher labels. There is no published number with this backbone.

Differences: hidden are blocks, as in their variant, not single tokens; colours change in mixtures
and masked images alone; windows average logits, not probabilities.
"""

_base_ = ['../_base_/models/vfm_dinov3_large.py', '../_base_/datasets/vfm_gta5.py',
          '../_base_/methods/vfm.py', '../_base_/schedules/vfm.py', '../_base_/runtime.py']

model = dict(
    objectives=[_base_.source_labels, _base_.flipped_mix, _base_.flipped_masked],
    **_base_.averaged_teacher)
