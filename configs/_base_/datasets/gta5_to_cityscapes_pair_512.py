"""GTA5 at 1280x720 and Cityscapes at 1024x512, both cropped to 512x512 so that they can be mixed,
as in the public code of DACS (Tranheden et al., WACV 2021), which shrinks Cityscapes
bilinearly.
"""

_base_ = ['./gta5_to_cityscapes_pair.py']

crop_source_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabel', on_size_mismatch='resize'),
    dict(type='ResizePIL', scale=(1280, 720)),
    dict(type='RandomCrop', crop_size=(512, 512)),
    dict(type='PackSample')]
crop_target_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizePIL', scale=(1024, 512), interpolation='bilinear'),
    dict(type='RandomCrop', crop_size=(512, 512)),
    dict(type='PackSample')]
train_dataloader = dict(
    batch_size=2,
    dataset=dict(
        source=dict(pipeline=crop_source_pipeline), target=dict(pipeline=crop_target_pipeline)))
