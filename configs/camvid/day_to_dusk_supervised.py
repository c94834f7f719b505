"""The source-only network of CamVid by day, trained on with the labels at dusk.

    daseg train camvid/day_to_dusk_source_only
    daseg train camvid/day_to_dusk_supervised
    daseg test camvid/day_to_dusk_supervised work_dirs/day_to_dusk_supervised/iter_225.pth

It begins where `day_to_dusk.py` does, and trains as long with the same rates. Its 62 images are
half of a drive, and those of the test are the other half.
"""

_base_ = ['./day_to_dusk_source_only.py']

load_from = 'work_dirs/day_to_dusk_source_only/iter_450.pth'
train_dataloader = dict(
    sampler=dict(_delete_=True, type='RareClassSampler', temperature=0.1, min_share=0.0015),
    dataset=dict(
        _delete_=True, type='CamVid', root={{_base_.data_root}}, list_file='lists/dusk_train.txt',
        pipeline={{_base_.source_pipeline}}))
train_cfg = dict(max_iters=225, val_interval=225)
optim_wrapper = dict(segmentor=dict(optimizer=dict(lr=0.003)))
default_hooks = dict(checkpoint=dict(interval=225))
