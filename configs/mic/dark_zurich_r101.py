"""MIC with HRDA on ResNet-101: Cityscapes to Dark Zurich.

    daseg train mic/dark_zurich_r101

Hoyer et al., "MIC: Masked Image Consistency for Context-Enhanced Domain Adaptation", CVPR 2023.
HRDA's training, and a further pass of each step on target images of which 70 % is hidden: the
network predicts what the teacher says of the whole image.

DeepLab v2, for comparison with older methods. No published number with this
network was found.
"""

_base_ = ['../_base_/models/hrda_r101.py', '../_base_/datasets/hrda_dark_zurich.py',
          '../_base_/methods/daformer.py', '../_base_/schedules/adamw_warmup_hrda.py',
          '../_base_/runtime.py']

model = dict(
    objectives=[
        dict(_base_.supervised, weights=_base_.detail_weights),
        dict(_base_.feature_distance, backbone=_base_.model.segmentor.backbone),
        dict(_base_.class_mix, weights=_base_.detail_weights),
        dict(_base_.masked, weights=_base_.detail_weights,
             images='both', jitter_prob=0.0, blur_prob=0.0)],
    **_base_.teacher)
optim_wrapper = dict(segmentor=dict(decay_mult=dict(_delete_=True)))
