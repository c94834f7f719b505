"""DAFormer on ResNet-101: Cityscapes to Dark Zurich.

    daseg train daformer/dark_zurich_r101

Hoyer et al., "DAFormer: Improving Network Architectures and Training Strategies for
Domain-Adaptive Semantic Segmentation", CVPR 2022.
Source labels; mixtures of both domains, which a teacher labels; features of things near those of
ImageNet; source images drawn for rare classes. Crops of 512 of images of 1024x512.

DeepLab v2, for comparison with older methods. No published number with this
network was found.
"""

_base_ = ['../_base_/models/daformer_r101.py', '../_base_/datasets/daformer_dark_zurich.py',
          '../_base_/methods/daformer.py', '../_base_/schedules/adamw_warmup.py',
          '../_base_/runtime.py']

model = dict(
    objectives=[
        dict(_base_.supervised),
        dict(_base_.feature_distance, backbone=_base_.model.segmentor.backbone),
        dict(_base_.class_mix)],
    **_base_.teacher)
optim_wrapper = dict(segmentor=dict(decay_mult=dict(_delete_=True)))
