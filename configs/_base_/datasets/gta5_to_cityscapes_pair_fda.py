"""GTA5 at 1280x720, cropped to 1024x512, and Cityscapes at 1024x512, tested at 1344x576, as in
FDA's public code (Yang and Soatto, CVPR 2020).
"""

_base_ = ['./gta5_to_cityscapes_pair.py']

fda_source_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabel', on_size_mismatch='resize'),
    dict(type='ResizePIL', scale=(1280, 720)),
    dict(type='RandomCrop', crop_size=(512, 1024)),
    dict(type='PackSample')]
fda_test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizePIL', scale=(1344, 576)),
    dict(type='LoadLabel'),
    dict(type='PackSample')]
train_dataloader = dict(dataset=dict(source=dict(pipeline=fda_source_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=fda_test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=fda_test_pipeline))
