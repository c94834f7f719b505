"""The schedule of VFM-UDA (Englert et al., CVPR Workshops 2024): AdamW for 40000 iterations, the
backbone a tenth as fast as the head; the rates rise over 1500 iterations and fall linearly to 0.
The rate is 5e-5 times the root of the batch size, 8. VFM-UDA++ has `layer_decay=0.9`.
"""

_base_ = ['./adamw_warmup.py']

optim_wrapper = dict(segmentor=dict(
    optimizer=dict(lr=1.4142e-4),
    lr_mult=dict(_delete_=True, backbone=0.1),
    decay_mult=dict(_delete_=True)))
param_scheduler = [
    dict(type='LinearRamp', start_factor=1e-3, end=1500), dict(type='PolyDecay', power=1.0)]
