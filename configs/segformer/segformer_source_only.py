"""Source-only: SegFormer with MiT-B5 trained on GTA5 alone, tested on Cityscapes.

    daseg train segformer/segformer_source_only

The baseline of DAFormer (Hoyer et al., CVPR 2022): its network's robustness is half of its gain. A
user of its code reports 43.6 mIoU for this setting, and 33.95 with MiT-B2; AdaptSegNet's network
has 36.6. Images of GTA5 become 1280x704, since the ratio of their sides is kept.
"""

_base_ = ['../_base_/models/segformer_mitb5.py', '../_base_/datasets/cityscapes_512.py',
          '../_base_/schedules/adamw_warmup.py', '../_base_/runtime.py']

train_dataloader = dict(dataset=dict(_delete_=True, type='GTA5', root='data/gta5', pipeline=[
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabel', on_size_mismatch='resize'),
    dict(type='Resize', scale=(1280, 720), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(512, 512), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSample')]))
