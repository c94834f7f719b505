"""HRDA on ResNet-101: GTA5 to Cityscapes.

    daseg train hrda/gta5_r101

Hoyer et al., "HRDA: Context-Aware High-Resolution Domain-Adaptive Semantic Segmentation",
ECCV 2022. DAFormer's training at twice the resolution: of crops of 1024 the network sees the whole
at half the size, and a detail of 512 at full size.

DeepLab v2, for comparison with older methods. As a later paper (DiDA, NeurIPS 2025) quotes it, it
reaches 63.0 mIoU.
"""

_base_ = ['../_base_/models/hrda_r101.py', '../_base_/datasets/hrda_gta5.py',
          '../_base_/methods/daformer.py', '../_base_/schedules/adamw_warmup_hrda.py',
          '../_base_/runtime.py']

model = dict(
    objectives=[
        dict(_base_.supervised, weights=_base_.detail_weights),
        dict(_base_.feature_distance, backbone=_base_.model.segmentor.backbone),
        dict(_base_.class_mix, weights=_base_.detail_weights)],
    **_base_.teacher)
optim_wrapper = dict(segmentor=dict(decay_mult=dict(_delete_=True)))
