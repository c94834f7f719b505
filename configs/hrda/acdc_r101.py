"""HRDA on ResNet-101: Cityscapes to ACDC.

    daseg train hrda/acdc_r101

Hoyer et al., "HRDA: Context-Aware High-Resolution Domain-Adaptive Semantic Segmentation",
ECCV 2022. DAFormer's training at twice the resolution: of crops of 1024 the network sees the whole
at half the size, and a detail of 512 at full size.

DeepLab v2, for comparison with older methods. No published number with this
network was found.
"""

_base_ = ['../_base_/models/hrda_r101.py', '../_base_/datasets/hrda_acdc.py',
          '../_base_/methods/daformer.py', '../_base_/schedules/adamw_warmup_hrda.py',
          '../_base_/runtime.py']

model = dict(
    objectives=[
        dict(_base_.supervised, weights=_base_.detail_weights),
        dict(_base_.feature_distance, backbone=_base_.model.segmentor.backbone),
        dict(_base_.class_mix, weights=_base_.detail_weights)],
    **_base_.teacher)
optim_wrapper = dict(segmentor=dict(decay_mult=dict(_delete_=True)))
