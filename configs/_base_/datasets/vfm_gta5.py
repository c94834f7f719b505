"""GTA5 and Cityscapes as in the code of VFM-UDA (Englert et al., CVPR Workshops 2024): shorter sides
of 1440 and 1024, scaled by 0.9-1.1, crops of 1024x1024, flips; source images are drawn for rare
classes, less sharply than in DAFormer. A teacher's labels do not count in 3 % of the whole image at
its top, left and right, and 25 % at its bottom. Tested at full size.
"""

_base_ = ['./hrda_gta5.py']

vfm_source_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabel', on_size_mismatch='resize'),
    dict(type='RandomResize', scale=(2620, 1440), ratio_range=(0.9, 1.1), keep_ratio=True),
    dict(_base_.large_rare_crop, tries=21), *_base_.end]
vfm_target_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='IgnoreMargins', top=30, bottom=256, left=61, right=61, size=(2048, 1024)),
    dict(type='RandomResize', scale=(2048, 1024), ratio_range=(0.9, 1.1), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(1024, 1024)), *_base_.end]
train_dataloader = dict(
    batch_size=8,
    sampler=dict(source_sampler=dict(temperature=0.05)),
    dataset=dict(
        source=dict(pipeline=vfm_source_pipeline), target=dict(pipeline=vfm_target_pipeline)))
