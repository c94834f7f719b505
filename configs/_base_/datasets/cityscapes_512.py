"""Cityscapes with labels, resized to 1024x512, cropped to 512x512 and flipped, as in DAFormer's code:
a crop of which one class has three quarters is drawn again. Tested at 1024x512 against labels at
full resolution.
"""

_base_ = ['./cityscapes_640x360.py']

crop_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabel'),
    dict(type='Resize', scale=(1024, 512), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(512, 512), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSample')]
train_dataloader = dict(dataset=dict(pipeline=crop_pipeline))
