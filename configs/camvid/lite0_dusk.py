"""The same network, supervised on the 62 labelled images at dusk: what adaptation could reach.

    python tools/train.py configs/camvid/lite0_dusk.py
    python tools/test.py configs/camvid/lite0_dusk.py work_dirs/lite0_dusk/iter_1000.pth

The curve is drawn on the images it is tested on, since dusk has no others with labels; nothing is
chosen by it, and the last checkpoint is the one that counts.
"""

_base_ = ['./lite0_day.py']

train_dataloader = dict(dataset=dict(list_file='lists/dusk_train.txt'))
val_dataloader = dict(dataset=dict(list_file='lists/dusk_test.txt'))
test_dataloader = dict(dataset=dict(list_file='lists/dusk_test.txt'))
train_cfg = dict(max_iters=1000)
