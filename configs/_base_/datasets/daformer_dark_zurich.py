"""Dark Zurich, by night, in the place of ACDC; else as `daformer_acdc.py`. Validated on its 50
validation images, whose mIoU is far from that of the test images, which only its server has the
labels of.
"""

_base_ = ['./daformer_acdc.py']

train_dataloader = dict(dataset=dict(target=dict(type='DarkZurich', root='data/dark_zurich')))
val_dataloader = dict(dataset=dict(type='DarkZurich', root='data/dark_zurich'))
test_dataloader = dict(dataset=dict(type='DarkZurich', root='data/dark_zurich'))
