"""As `vfm_dinov3_large.py`, with the small model."""

_base_ = ['./vfm_dinov3_large.py']

model = dict(segmentor=dict(backbone=dict(
    arch='dinov3_small', weights='data/weights/dinov3_vits16_pretrain_lvd1689m.pth')))
