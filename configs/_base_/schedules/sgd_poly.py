"""SGD with a polynomial schedule, as DeepLab: lr * (1 - i / max_iters) ** 0.9. The head learns ten
times as fast as the backbone, which starts from trained weights.
"""

train_cfg = dict(type='IterTrainLoop', max_iters=20000, val_interval=2000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    constructor='OptimizersByNetwork',
    segmentor=dict(
        optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
        lr_mult=dict(head=10)))
param_scheduler = [dict(type='PolyDecay')]  # ends with the training
