"""AdaptSegNet's schedule: SGD for the segmentor, its heads ten times as fast; Adam for the
discriminators. The polynomial decay of both would end after 250000 iterations; the training
stops after 150000.

Its optimizer lists the weights of the backbone's convolutions several times, so that each step
moves them three or four times. daseg moves them once; `emulate_duplicate_groups=True` does as the
published code.
"""

train_cfg = dict(type='IterTrainLoop', max_iters=150000, val_interval=5000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    constructor='OptimizersByNetwork',
    segmentor=dict(
        optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
        lr_mult=dict(head=10, aux_head=10),
        emulate_duplicate_groups=False),
    discriminators=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))))
param_scheduler = [dict(type='PolyDecay', end=250000)]
