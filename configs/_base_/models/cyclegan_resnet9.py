"""CycleGAN with generators of nine residual blocks and 70x70 PatchGAN discriminators."""

model = dict(
    type='CycleGAN',
    source_to_target=dict(type='ResNetGenerator', channels=64, blocks=9),
    target_to_source=dict(type='ResNetGenerator', channels=64, blocks=9),
    disc_source=dict(type='PatchGANDiscriminator', channels=64),
    disc_target=dict(type='PatchGANDiscriminator', channels=64),
    gan_loss=dict(type='LSGANLoss'),
    cycle_weight=10.0, identity_weight=0.5, disc_weight=0.5, pool_size=50)
