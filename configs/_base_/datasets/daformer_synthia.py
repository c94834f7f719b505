"""SYNTHIA with labels, at 1280x760, in the place of GTA5; else as `daformer_gta5.py`.

The network keeps 19 outputs; SYNTHIA has 16 of the classes. Beside the mean over all 19, reported
are those over the 16, and over the 13 without wall, fence and pole.
"""

_base_ = ['./daformer_gta5.py']

synthia_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadLabel'),
    dict(type='Resize', scale=(1280, 760), keep_ratio=True),
    *_base_.rare_source_pipeline[3:]]
train_dataloader = dict(dataset=dict(source=dict(
    type='SYNTHIA', root='data/synthia', pipeline=synthia_pipeline)))
val_evaluator = dict(subset_means=['mIoU16', 'mIoU13'])
test_evaluator = dict(subset_means=['mIoU16', 'mIoU13'])
