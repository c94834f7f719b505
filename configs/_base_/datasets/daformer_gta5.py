"""GTA5 with labels and Cityscapes without, as in the code of DAFormer (Hoyer et al., CVPR 2022).

GTA5 fits into 1280x720, which is 1280x704, since the ratio of its sides is kept; Cityscapes has
1024x512. Both are cropped to 512x512 and flipped. Of the source, images are drawn for a class, a
rare one more often than a frequent one; a crop is drawn again, ten times at most, until it has more
than 1500 pixels of the class, and no class has three quarters of it. (In their code the two
conditions are apart, each with ten tries.) Tested at 1024x512 against labels at full resolution.
"""

_base_ = ['./gta5_to_cityscapes_pair.py']

rare_crop = dict(
    type='RandomCrop', crop_size=(512, 512), cat_max_ratio=0.75, class_pixels=1501, tries=11)
end = [dict(type='RandomFlip', prob=0.5), dict(type='PackSample')]
rare_source_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabel', on_size_mismatch='resize'),
    dict(type='Resize', scale=(1280, 720), keep_ratio=True), rare_crop, *end]
plain_target_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(1024, 512), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(512, 512)), *end]
small_test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(1024, 512), keep_ratio=True),
    dict(type='LoadLabel'),
    dict(type='PackSample')]

train_dataloader = dict(
    batch_size=2,
    sampler=dict(source_sampler=dict(type='RareClassSampler', temperature=0.01, min_pixels=3000)),
    dataset=dict(
        source=dict(pipeline=rare_source_pipeline), target=dict(pipeline=plain_target_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=small_test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=small_test_pipeline))
