"""SYNTHIA with labels at its own 1280x760 and Cityscapes without labels at 1024x512.

The networks keep 19 outputs; SYNTHIA has 16 of the classes. Beside the mean over all 19 classes,
reported are the means over the 16, and over the 13 without wall, fence and pole, of the IoUs
counted over all 19: a pixel predicted as one of the other classes is an error.
"""

_base_ = ['./gta5_to_cityscapes_pair.py']

synthia_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabel'),
    dict(type='ResizePIL', scale=(1280, 760)),
    dict(type='PackSample')]
train_dataloader = dict(dataset=dict(source=dict(
    type='SYNTHIA', root='data/synthia', pipeline=synthia_pipeline)))
val_evaluator = dict(subset_means=['mIoU16', 'mIoU13'])
test_evaluator = dict(subset_means=['mIoU16', 'mIoU13'])
