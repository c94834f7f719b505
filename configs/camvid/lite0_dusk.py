"""The network of lite0_day.py, supervised on the 62 labelled images at dusk: an upper bound.

    daseg train camvid/lite0_dusk
    daseg test camvid/lite0_dusk work_dirs/lite0_dusk/iter_1000.pth

The validation curve is drawn on the test images, since no other images at dusk have labels.
Nothing is chosen by it: the last checkpoint is the one that counts.
"""

_base_ = ['./lite0_day.py']

train_dataloader = dict(dataset=dict(list_file='lists/dusk_train.txt'))
val_dataloader = dict(dataset=dict(list_file='lists/dusk_test.txt'))
test_dataloader = dict(dataset=dict(list_file='lists/dusk_test.txt'))
train_cfg = dict(max_iters=1000)
