"""VFM-UDA's network (Englert et al., CVPR Workshops 2024): DINOv2 (Oquab et al., TMLR 2024) and a
light head on its last block. A crop of 1024 pixels is resized to 1120, which is 80x80 patches of 14.

The initial weights are Meta's, `dinov2_vitl14_pretrain.pth` (Apache 2.0), or timm's.
"""

model = dict(
    type='DomainAdapter',
    segmentor=dict(
        type='Segmentor',
        num_classes=19,
        backbone=dict(
            type='ViTBackbone', arch='dinov2_large', resize=1.1,
            weights='data/weights/dinov2_vitl14_pretrain.pth'),
        head=dict(type='LightHead'),
        inference=dict(type='SlideInference', crop_size=(1024, 1024), stride=(512, 512))),
    objectives=[dict(type='Supervised')])
