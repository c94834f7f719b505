"""Cityscapes with labels at full resolution: scaled by 0.5-2 with PIL's bilinear filter, padded
with black and cropped in training, as SegmenTron has it; whole in testing.
"""

data_root = 'data/cityscapes'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabel'),
    dict(type='RandomResize', scale=(2048, 1024), ratio_range=(0.5, 2.0),
         resize_type='ResizePIL', interpolation='bilinear'),
    dict(type='RandomCrop', crop_size=(769, 769), image_fill=(0, 0, 0)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSample')]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabel'),
    dict(type='PackSample')]

train_dataloader = dict(
    batch_size=4, num_workers=4, persistent_workers=True, pin_memory=True,
    sampler=dict(type='EndlessSampler'), collate_fn=dict(type='collate'),
    dataset=dict(type='Cityscapes', root=data_root, split='train', pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1, num_workers=4, pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False), collate_fn=dict(type='collate'),
    dataset=dict(type='Cityscapes', root=data_root, split='val', pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric')
test_evaluator = val_evaluator
tta = dict(type='MultiScaleFlip', scales=[0.75, 1.0, 1.25], flip=True)
