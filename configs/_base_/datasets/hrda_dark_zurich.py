"""Dark Zurich, by night, in the place of ACDC; else as `hrda_acdc.py`; see
`daformer_dark_zurich.py`.
"""

_base_ = ['./hrda_acdc.py']

train_dataloader = dict(dataset=dict(target=dict(type='DarkZurich', root='data/dark_zurich')))
val_dataloader = dict(dataset=dict(type='DarkZurich', root='data/dark_zurich'))
test_dataloader = dict(dataset=dict(type='DarkZurich', root='data/dark_zurich'))
