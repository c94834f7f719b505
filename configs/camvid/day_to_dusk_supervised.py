"""The network of day_to_dusk.py with the labels at dusk: what adaptation does without.

    daseg train camvid/day_to_dusk_supervised
    daseg test camvid/day_to_dusk_supervised work_dirs/day_to_dusk_supervised/iter_300.pth

The 62 images are half of a drive, those of the test its other half. Losses, sampling and length
are those of the source-only training.
"""

_base_ = ['./day_to_dusk_source_only.py']

train_dataloader = dict(
    sampler=dict(
        _delete_=True, type='RareClassSampler', temperature=0.1, min_share=0.0015),
    dataset=dict(
        _delete_=True, type='CamVid', root='{{$DASEG_CAMVID:data/camvid}}',
        list_file='lists/dusk_train.txt', pipeline={{_base_.source_pipeline}}))
