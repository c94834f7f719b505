"""The drawn game with labels, CamVid by day without; 240x180, CamVid's 11 classes.

Labels of the game are Cityscapes' ids, as GTA5's are. `id_map` joins them to CamVid's classes, which
are coarser: walls are building, terrain is tree, traffic lights are signs, and all that has four
wheels or more is a car. What has no class in CamVid is in `ignored_ids`; any other id is an error.

Photographs are shrunk to half their size, the game to the same; windows are of 128x176. Labels keep
their 480x360 where a network is measured. DASEG_GAME and DASEG_CAMVID name other folders than
data/game and data/camvid.
"""

game_root = '{{$DASEG_GAME:data/game}}'
data_root = '{{$DASEG_CAMVID:data/camvid}}'
game = dict(
    type='FolderDataset', root=game_root + '/gta5', image_suffix='.png',
    classes=['sky', 'building', 'pole', 'road', 'pavement', 'tree', 'sign', 'fence', 'car',
             'pedestrian', 'bicyclist'],
    palette=[[128, 128, 128], [128, 0, 0], [192, 192, 128], [128, 64, 128], [60, 40, 222],
             [128, 128, 0], [192, 128, 128], [64, 64, 128], [64, 0, 128], [64, 64, 0],
             [0, 128, 192]],
    id_map={
        23: 0,  # sky
        11: 1, 12: 1,  # building, wall
        17: 2,  # pole
        7: 3,  # road
        8: 4,  # sidewalk
        21: 5, 22: 5,  # vegetation, terrain
        19: 6, 20: 6,  # traffic light, traffic sign
        13: 7,  # fence
        26: 8, 27: 8, 28: 8, 31: 8,  # car, truck, bus, train
        24: 9,  # person
        25: 10, 32: 10, 33: 10},  # rider, motorcycle, bicycle
    ignored_ids=[0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30, 34, 255])

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabel'),
    dict(type='RandomResize', scale=(240, 180), ratio_range=(0.75, 1.25), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(128, 176), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSample')]
target_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResize', scale=(240, 180), ratio_range=(0.75, 1.25), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(128, 176)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSample')]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizePIL', scale=(240, 180)),
    dict(type='LoadLabel'),
    dict(type='PackSample')]

train_dataloader = dict(
    batch_size=4, num_workers=1, persistent_workers=True, pin_memory=True,
    sampler=dict(type='PairSampler'), collate_fn=dict(type='collate'),
    dataset=dict(
        type='DomainPair',
        source=dict(**game, pipeline=train_pipeline),
        target=dict(
            type='CamVid', root=data_root, list_file='lists/day_train.txt', labels=False,
            pipeline=target_pipeline)))
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
