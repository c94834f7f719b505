"""As `vfm_dinov2_large.py`, with the small model."""

_base_ = ['./vfm_dinov2_large.py']

model = dict(segmentor=dict(backbone=dict(
    arch='dinov2_small', weights='data/weights/dinov2_vits14_pretrain.pth')))
