"""GTA5 at 1280x720 with labels, tested on Cityscapes at 1024x512, as AdaptSegNet has it: resized
with PIL's bicubic filter, neither cropped nor flipped.

A few images of GTA5 differ in size from their labels, so labels are fitted to their images.
"""

source_root = 'data/gta5'
target_root = 'data/cityscapes'
source_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabel', on_size_mismatch='resize'),
    dict(type='ResizePIL', scale=(1280, 720)),
    dict(type='PackSample')]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizePIL', scale=(1024, 512)),
    dict(type='LoadLabel'),
    dict(type='PackSample')]

train_dataloader = dict(
    batch_size=1, num_workers=4, persistent_workers=True, pin_memory=True,
    sampler=dict(type='EndlessSampler'), collate_fn=dict(type='collate'),
    dataset=dict(type='GTA5', root=source_root, pipeline=source_pipeline))
val_dataloader = dict(
    batch_size=1, num_workers=4, pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False), collate_fn=dict(type='collate'),
    dataset=dict(type='Cityscapes', root=target_root, split='val', pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric')
test_evaluator = val_evaluator
tta = dict(type='MultiScaleFlip', scales=[1.0, 1.25], flip=True)
