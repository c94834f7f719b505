"""Cityscapes with labels, resized to 1024x512 and cropped to 640x360.

The study states only the crop. Assumed are the size before it, which is that of the target images
in the published first stage of Seg-Uncertainty, and the flip. That stage's augmentation of source
images is left out: scale jitter, and the search for a crop of many classes.

Tested at 1024x512 against labels at full resolution, as the published systems are.
"""

data_root = 'data/cityscapes'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabel'),
    dict(type='ResizePIL', scale=(1024, 512)),
    dict(type='RandomCrop', crop_size=(360, 640)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSample')]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizePIL', scale=(1024, 512)),
    dict(type='LoadLabel'),
    dict(type='PackSample')]

train_dataloader = dict(
    batch_size=2, num_workers=4, persistent_workers=True, pin_memory=True,
    sampler=dict(type='EndlessSampler'), collate_fn=dict(type='collate'),
    dataset=dict(type='Cityscapes', root=data_root, split='train', pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1, num_workers=4, pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False), collate_fn=dict(type='collate'),
    dataset=dict(type='Cityscapes', root=data_root, split='val', pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric')
test_evaluator = val_evaluator
tta = dict(type='MultiScaleFlip', scales=[1.0, 1.25], flip=True)
