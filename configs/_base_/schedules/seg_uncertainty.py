"""Seg-Uncertainty's schedule: SGD with Nesterov momentum, a linear warm-up from a tenth over 5000
iterations, and a polynomial decay that would end after 100000; the runs stop long before.
"""

train_cfg = dict(type='IterTrainLoop', max_iters=20000, val_interval=2000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    constructor='OptimizersByNetwork',
    segmentor=dict(
        optimizer=dict(type='SGD', lr=2e-4, momentum=0.9, nesterov=True, weight_decay=5e-4),
        lr_mult=dict(head=10, aux_head=10)))
param_scheduler = [
    dict(type='LinearRamp', end=5000), dict(type='PolyDecay', end=100000)]
