"""The embedded world, supervised on the target: an upper bound for adaptation.

    python tools/make_demo.py
    python tools/train.py configs/demo/supervised.py
    python tools/test.py configs/demo/supervised.py work_dirs/supervised/iter_400.pth
"""

_base_ = ['./source_only.py']

train_dataloader = dict(dataset=dict(
    type='Cityscapes', root='{{$DASEG_DEMO:data/demo}}/cityscapes', split='train'))
