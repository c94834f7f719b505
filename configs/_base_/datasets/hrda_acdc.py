"""Cityscapes at its own 2048x1024 and ACDC at its own 1920x1080, in the place of GTA5 and Cityscapes;
else as `hrda_gta5.py`. Validated as `daformer_acdc.py`, at full size.
"""

_base_ = ['./hrda_gta5.py']

city_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadLabel'),
    dict(type='Resize', scale=(2048, 1024), keep_ratio=True),
    *_base_.large_source_pipeline[3:]]
adverse_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(1920, 1080), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(1024, 1024)), *_base_.end]

train_dataloader = dict(dataset=dict(
    source=dict(
        type='Cityscapes', root='data/cityscapes', split='train', pipeline=city_pipeline),
    target=dict(type='ACDC', root='data/acdc', pipeline=adverse_pipeline)))
val_dataloader = dict(dataset=dict(type='ACDC', root='data/acdc'))
test_dataloader = dict(dataset=dict(type='ACDC', root='data/acdc'))
