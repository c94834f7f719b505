"""As `vfm_dinov2_large.py`, with the base model."""

_base_ = ['./vfm_dinov2_large.py']

model = dict(segmentor=dict(backbone=dict(
    arch='dinov2_base', weights='data/weights/dinov2_vitb14_pretrain.pth')))
