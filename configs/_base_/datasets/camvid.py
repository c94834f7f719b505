"""CamVid by day: 480x360 photographs, 11 classes (Brostow et al., PRL 2009).

The folder holds images/, labels/ and lists/. The environment variable DASEG_CAMVID says where it
is; without it, link it to data/camvid.
"""

data_root = '{{$DASEG_CAMVID:data/camvid}}'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabel'),
    dict(type='RandomResize', scale=(480, 360), ratio_range=(0.75, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(256, 320), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSample')]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabel'),
    dict(type='PackSample')]

train_dataloader = dict(
    batch_size=4, num_workers=1, persistent_workers=True, pin_memory=True,
    sampler=dict(type='EndlessSampler'), collate_fn=dict(type='collate'),
    dataset=dict(
        type='CamVid', root=data_root, list_file='lists/day_train.txt', pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=4, num_workers=1, pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False), collate_fn=dict(type='collate'),
    dataset=dict(
        type='CamVid', root=data_root, list_file='lists/day_val.txt', pipeline=test_pipeline))
test_dataloader = dict(
    batch_size=4, num_workers=1, pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False), collate_fn=dict(type='collate'),
    dataset=dict(
        type='CamVid', root=data_root, list_file='lists/day_test.txt', pipeline=test_pipeline))
val_evaluator = dict(type='IoUMetric')
test_evaluator = val_evaluator
tta = dict(type='MultiScaleFlip', scales=[0.75, 1.0, 1.25], flip=True)
