r"""CamVid by day with labels, from the drawn game: an upper bound for adaptation.

    daseg train camvid/game_source_only
    daseg train camvid/game_supervised \
        --cfg-options load_from=work_dirs/game_source_only/iter_200.pth
    daseg test camvid/game_supervised work_dirs/game_supervised/iter_300.pth

It begins where `game_to_day.py` does, and trains as long, with the game's class weights.
"""

_base_ = ['./game_source_only.py']

train_dataloader = dict(
    sampler=dict(type='EndlessSampler'),
    dataset=dict(
        _delete_=True, type='CamVid', root={{_base_.data_root}}, list_file='lists/day_train.txt',
        pipeline={{_base_.train_pipeline}}))
train_cfg = dict(max_iters=300, val_interval=300)
default_hooks = dict(checkpoint=dict(interval=300))
