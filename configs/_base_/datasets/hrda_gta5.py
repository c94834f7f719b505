"""GTA5 and Cityscapes at twice the size of `daformer_gta5.py`, as in the code of HRDA (Hoyer et al.,
ECCV 2022): GTA5 fits into 2560x1440, which is 2560x1407, Cityscapes has its own 2048x1024, crops are
1024x1024 and have more than 6000 pixels of the class that they are drawn for. A teacher's labels
do not count at the borders of Cityscapes' rectified images, and in the rows of the own car.
"""

_base_ = ['./daformer_gta5.py']

large_rare_crop = dict(
    type='RandomCrop', crop_size=(1024, 1024), cat_max_ratio=0.75, class_pixels=6001, tries=11)
large_source_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabel', on_size_mismatch='resize'),
    dict(type='Resize', scale=(2560, 1440), keep_ratio=True), large_rare_crop, *_base_.end]
large_target_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(2048, 1024), keep_ratio=True),
    dict(type='IgnoreMargins', top=30, bottom=240, left=30, right=30, size=(2048, 1024)),
    dict(type='RandomCrop', crop_size=(1024, 1024)), *_base_.end]
full_test_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadLabel'), dict(type='PackSample')]

train_dataloader = dict(dataset=dict(
    source=dict(pipeline=large_source_pipeline), target=dict(pipeline=large_target_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=full_test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=full_test_pipeline))
