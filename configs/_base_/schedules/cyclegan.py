"""CycleGAN's schedule: Adam at 2e-4 for all networks, constant for the first half of the training,
then linearly down to 0.

Half a million iterations with a batch of one are 20 passes over GTA5, 10 in each half: users of
the public code found that enough for as many images. The paper's 200 passes are for a thousand
images. A training of another length also states `begin` and `end` of its decay.
"""

train_cfg = dict(type='IterTrainLoop', max_iters=500000)

adam = dict(type='Adam', lr=2e-4, betas=(0.5, 0.999))
optim_wrapper = dict(
    constructor='OptimizersByNetwork',
    generators=dict(optimizer=adam),
    discriminators=dict(optimizer=adam))
param_scheduler = [
    dict(type='LinearRamp', start_factor=1.0, end_factor=0.0, begin=250000, end=500000)]
