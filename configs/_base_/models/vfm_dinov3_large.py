"""DINOv3 (Siméoni et al., 2025) and the light head of VFM-UDA (Englert et al., CVPR Workshops 2024) on
its last block. Its patches have 16 pixels, so that crops of 512 and 1024 need no resizing.

The initial weights are Meta's, under the DINOv3 licence: `dinov3_vitl16_pretrain_lvd1689m.pth`, or
timm's.
"""

_base_ = ['./vfm_dinov2_large.py']

model = dict(segmentor=dict(backbone=dict(
    arch='dinov3_large', resize=None,
    weights='data/weights/dinov3_vitl16_pretrain_lvd1689m.pth')))
