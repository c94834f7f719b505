"""GTA5 with labels at 1280x720 and Cityscapes without labels at 1024x512, as in AdaptSegNet:
resized with PIL's bicubic filter, neither cropped nor flipped. Tested on Cityscapes at 1024x512
against labels at full resolution.

A few labels of GTA5 differ in size from their images; they are resized to the image.
"""

target_root = 'data/cityscapes'
source_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabel', on_size_mismatch='resize'),
    dict(type='ResizePIL', scale=(1280, 720)),
    dict(type='PackSample')]
target_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizePIL', scale=(1024, 512)),
    dict(type='PackSample')]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizePIL', scale=(1024, 512)),
    dict(type='LoadLabel'),
    dict(type='PackSample')]

train_dataloader = dict(
    batch_size=1, num_workers=4, persistent_workers=True, pin_memory=True,
    sampler=dict(type='PairSampler'), collate_fn=dict(type='collate'),
    dataset=dict(
        type='DomainPair',
        source=dict(type='GTA5', root='data/gta5', pipeline=source_pipeline),
        target=dict(
            type='Cityscapes', root=target_root, split='train', labels=False,
            pipeline=target_pipeline)))
val_dataloader = dict(
    batch_size=1, num_workers=4, pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False), collate_fn=dict(type='collate'),
    dataset=dict(type='Cityscapes', root=target_root, split='val', pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric')
test_evaluator = val_evaluator
tta = dict(type='MultiScaleFlip', scales=[1.0, 1.25], flip=True)
