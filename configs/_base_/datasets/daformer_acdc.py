"""Cityscapes with labels at 1024x512 and ACDC without at 960x540, in the place of GTA5 and
Cityscapes; else as `daformer_gta5.py`. Validated on ACDC's validation images; the numbers of papers
are of its test images, whose labels only its server has.
"""

_base_ = ['./daformer_gta5.py']

city_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadLabel'),
    dict(type='Resize', scale=(1024, 512), keep_ratio=True),
    *_base_.rare_source_pipeline[3:]]
adverse_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(960, 540), keep_ratio=True),
    *_base_.plain_target_pipeline[2:]]
adverse_test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(960, 540), keep_ratio=True),
    dict(type='LoadLabel'), dict(type='PackSample')]

train_dataloader = dict(dataset=dict(
    source=dict(
        type='Cityscapes', root='data/cityscapes', split='train', pipeline=city_pipeline),
    target=dict(type='ACDC', root='data/acdc', pipeline=adverse_pipeline)))
val_dataloader = dict(dataset=dict(
    type='ACDC', root='data/acdc', pipeline=adverse_test_pipeline))
test_dataloader = dict(dataset=dict(
    type='ACDC', root='data/acdc', pipeline=adverse_test_pipeline))
