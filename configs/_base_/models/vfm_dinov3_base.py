"""As `vfm_dinov3_large.py`, with the base model."""

_base_ = ['./vfm_dinov3_large.py']

model = dict(segmentor=dict(backbone=dict(
    arch='dinov3_base', weights='data/weights/dinov3_vitb16_pretrain_lvd1689m.pth')))
