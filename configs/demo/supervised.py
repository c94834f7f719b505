"""The embedded world, supervised on the target: an upper bound for adaptation.

    daseg make-demo
    daseg train demo/supervised
    daseg test demo/supervised work_dirs/supervised/iter_400.pth
"""

_base_ = ['./source_only.py']

train_dataloader = dict(dataset=dict(
    type='Cityscapes', root='{{$DASEG_DEMO:data/demo}}/cityscapes', split='train'))
