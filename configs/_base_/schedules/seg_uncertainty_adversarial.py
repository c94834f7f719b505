"""The schedule of Seg-Uncertainty's first stage: SGD with Nesterov momentum and a linear warm-up
from a tenth over 5000 iterations for the segmentor; Adam without a warm-up for the
discriminators; a polynomial decay of both, which ends with the training.

Like AdaptSegNet's, its optimizer lists the backbone's weights several times:
`emulate_duplicate_groups=True`.
"""

train_cfg = dict(type='IterTrainLoop', max_iters=25000, val_interval=5000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    constructor='OptimizersByNetwork',
    segmentor=dict(
        optimizer=dict(type='SGD', lr=2e-4, momentum=0.9, nesterov=True, weight_decay=5e-4),
        lr_mult=dict(head=10, aux_head=10),
        emulate_duplicate_groups=False),
    discriminators=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))))
param_scheduler = dict(
    segmentor=[dict(type='LinearRamp', end=5000), dict(type='PolyDecay')],
    discriminators=[dict(type='PolyDecay')])
