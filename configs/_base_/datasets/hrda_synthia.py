"""SYNTHIA at 2560x1520, twice its size, in the place of GTA5; else as `hrda_gta5.py` and
`daformer_synthia.py`.
"""

_base_ = ['./hrda_gta5.py']

synthia_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadLabel'),
    dict(type='Resize', scale=(2560, 1520), keep_ratio=True),
    *_base_.large_source_pipeline[3:]]
train_dataloader = dict(dataset=dict(source=dict(
    type='SYNTHIA', root='data/synthia', pipeline=synthia_pipeline)))
val_evaluator = dict(subset_means=['mIoU16', 'mIoU13'])
test_evaluator = dict(subset_means=['mIoU16', 'mIoU13'])
