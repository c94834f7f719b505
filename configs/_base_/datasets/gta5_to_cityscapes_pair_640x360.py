"""GTA5 with labels and Cityscapes without, both cropped to 640x360: the pipelines of
Seg-Uncertainty (Zheng and Yang, IJCAI 2020, IJCV 2021) with the crop that the study uses.

The source is resized to 1280x720 times a factor of 0.8 to 1.2, which keeps the shape of the image,
then cropped where there are more than 10 label values (10 tries), then flipped half of the time.
The target is resized to 1024x512 and cropped.
"""

_base_ = ['./gta5_to_cityscapes_pair.py']

cropped_source = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabel', on_size_mismatch='resize'),
    dict(type='RandomResize', scale=(1280, 720), ratio_range=(0.8, 1.2),
         resize_type='ResizePIL'),
    dict(type='RandomCrop', crop_size=(360, 640), min_classes=11, tries=10),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSample')]
cropped_target = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizePIL', scale=(1024, 512)),
    dict(type='RandomCrop', crop_size=(360, 640)),
    dict(type='PackSample')]
train_dataloader = dict(dataset=dict(
    source=dict(pipeline=cropped_source), target=dict(pipeline=cropped_target)))
