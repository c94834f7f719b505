"""ResNet-18 from random weights on the 62 labelled images at dusk.

    python tools/train.py configs/camvid/r18_dusk.py
    python tools/test.py configs/camvid/r18_dusk.py work_dirs/r18_dusk/iter_1200.pth
"""

_base_ = ['./r18_day.py']

train_dataloader = dict(dataset=dict(list_file='lists/dusk_train.txt'))
val_dataloader = dict(dataset=dict(list_file='lists/dusk_test.txt'))
test_dataloader = dict(dataset=dict(list_file='lists/dusk_test.txt'))
train_cfg = dict(max_iters=1200)
