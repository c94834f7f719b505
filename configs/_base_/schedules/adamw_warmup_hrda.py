"""`adamw_warmup.py` with the scale attention of HRDA as fast as the head."""

_base_ = ['./adamw_warmup.py']

optim_wrapper = dict(segmentor=dict(lr_mult=dict(attention=10)))
