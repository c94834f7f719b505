"""The schedule of DAFormer, HRDA and MIC (Hoyer et al., CVPR 2022, section 4.1): AdamW for 40000
iterations, the head ten times as fast as the backbone, whose norm layers have no weight decay; the
rates rise over 1500 iterations and fall linearly to 0. Batches of two images.
"""

train_cfg = dict(type='IterTrainLoop', max_iters=40000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    constructor='OptimizersByNetwork',
    segmentor=dict(
        optimizer=dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01),
        lr_mult=dict(head=10),
        decay_mult={'backbone.*norm*': 0.0}))
param_scheduler = [
    dict(type='LinearRamp', start_factor=1e-6, end=1500), dict(type='PolyDecay', power=1.0)]
