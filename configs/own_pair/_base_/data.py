"""Your own pair: edit what stands above the line. As it is, it is the drawn world in six classes.

Each folder holds images/ and, where there are labels, labels/ with PNG files of the same names.
Every id that occurs in the label files is in a list: of its class, or of those that are ignored.
Both tables name the same classes in the same order; a class that one of them lacks has the list [].
"""

source = '{{$DASEG_DEMO:data/demo}}/gta5'  # images/ and labels/
target = '{{$DASEG_DEMO:data/demo}}/cityscapes/leftImg8bit/train'  # images; no labels are read
test = '{{$DASEG_DEMO:data/demo}}/cityscapes'  # images and labels of the target, for the test alone
source_classes = dict(
    road=[7], sidewalk=[8], building=[11, 12, 13], nature=[21, 22], sky=[23],
    vehicle=[26, 27, 28, 31, 32, 33])
source_ignored = [*range(7), 9, 10, 14, 15, 16, 17, 18, 19, 20, 24, 25, 29, 30, 255]
target_classes, target_ignored = source_classes, source_ignored
# Where files are called otherwise: name.jpg, or name<end of the image>, name<end of the label>.
source_files = dict(image_dir='images', label_dir='labels')
target_files = dict(image_dir='.', image_suffix='.png')
test_files = dict(
    image_dir='leftImg8bit/test', image_suffix='_leftImg8bit.png',
    label_dir='gtFine/test', label_suffix='_gtFine_labelIds.png')
size = (512, 256)  # width, height to which images are scaled, their shape kept
crop = (192, 256)  # height, width of the windows for training: multiples of 32
num_val = 40  # source images, of the training, that a validation looks at: no more than there are

# ---------------------------------------------------------------------------------------------

_load = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabel'),
    dict(type='RandomResize', scale=size, ratio_range=(0.75, 1.5), keep_ratio=True)]
source_pipeline = [
    *_load,
    dict(type='RandomCrop', crop_size=crop, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSample')]
target_pipeline = [
    *_load,
    dict(type='RandomCrop', crop_size=crop),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSample')]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=size, keep_ratio=True),
    dict(type='LoadLabel'),
    dict(type='PackSample')]
_labelled = dict(
    type='FolderDataset', root=source, classes=source_classes, ignored_ids=source_ignored,
    **source_files)

train_dataloader = dict(
    batch_size=4, num_workers=1, persistent_workers=True, pin_memory=True,
    sampler=dict(type='PairSampler'), collate_fn=dict(type='collate'),
    dataset=dict(
        type='DomainPair',
        source=dict(_labelled, pipeline=source_pipeline),
        target=dict(
            type='FolderDataset', root=target, classes=target_classes,
            pipeline=target_pipeline, **target_files)))
# No label of the target may choose anything: some images of the source show that training goes on.
val_dataloader = dict(
    batch_size=1, num_workers=1, pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False), collate_fn=dict(type='collate'),
    dataset=dict(_labelled, num_samples=num_val, pipeline=test_pipeline))
test_dataloader = dict(
    batch_size=1, num_workers=1, pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False), collate_fn=dict(type='collate'),
    dataset=dict(
        type='FolderDataset', root=test, classes=target_classes, ignored_ids=target_ignored,
        pipeline=test_pipeline, **test_files))
val_evaluator = dict(type='IoUMetric')
test_evaluator = dict(type='IoUMetric')
tta = dict(type='MultiScaleFlip', scales=[0.75, 1.0, 1.25], flip=True)
