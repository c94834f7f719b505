"""The source-only network of CamVid by day, trained on with the labels of day and dusk.

    daseg train camvid/day_to_dusk_source_only
    daseg train camvid/day_to_dusk_both
    daseg test camvid/day_to_dusk_both work_dirs/day_to_dusk_both/iter_225.pth

As `day_to_dusk_supervised.py`; rare classes are drawn from all 367 images.
"""

_base_ = ['./day_to_dusk_supervised.py']

_photos = dict(type='CamVid', root={{_base_.data_root}}, pipeline={{_base_.source_pipeline}})
train_dataloader = dict(dataset=dict(
    _delete_=True, type='MixedDataset',
    datasets=[dict(_photos, list_file='lists/day_train.txt'),
              dict(_photos, list_file='lists/dusk_train.txt')]))
