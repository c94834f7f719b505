"""Settings of all small worlds: how trainings are shortened and parts are made small.

``parts`` maps the kind (a key of `daseg.registry.KINDS`) or the type of a part to changes of its
arguments; see docs/worlds.md.
"""

max_iters = 160
least_interval = 40
# At a sixteenth of the pixels, batch norm's statistics of a single image are too far from the
# running ones, which the network is tested with.
least_batch = 4

# Hundreds of iterations stand for a hundred thousand: the backbone learns as fast as the heads,
# after a warm-up all of them at the highest rate, and the discriminators learn faster.
highest_lr, highest_adam_lr = 0.01, 0.001
warm_ups = ['LinearRamp', 'LinearLR']
lr_factors = dict(generators=2.5, discriminators=5)

# A CycleGAN has no batch norm, and more to learn. Its crops are multiples of what the generators
# shrink them by, so that nothing is padded.
models = dict(CycleGAN=dict(
    max_iters=2000, least_interval=100, least_batch=1, crop_multiple=4,
    lr_factors=dict(discriminators=1)))

_classes, _iterations, _interval = dict(unit='classes'), dict(unit='iterations'), dict(unit='interval')
_window, _quarter = dict(unit='window'), dict(factor=0.25, default=64)
# Most taps of a large dilation would read padding, fewer in a whole image than in a window, and
# batch norm would test with the statistics of windows.
_dilations = dict(rates=dict(unit='pixels', default=(6, 12, 18)))
_margins = {f'ignore_{side}': dict(unit='pixels') for side in ('top', 'bottom', 'left', 'right')}

parts = dict(
    backbone=dict(
        type='EfficientNetLite0', output_stride=16, weights=dict(if_given='package'),
        keep=['frozen_affine', 'update_stats']),
    loss=dict(num_classes=_classes, class_weights=_classes),
    objective=dict(num_classes=_classes, begin=_iterations, end=_iterations),
    hook=dict(
        interval=_interval, picture_interval=_interval, patience=_interval,
        iterations=_iterations),
    loop=dict(max_iters=_iterations, val_interval=_interval),
    # The end of mmengine's schedulers is one more than their last iteration.
    scheduler=dict(begin=_iterations, end=dict(unit='iterations', after='begin', offset=1)),

    Segmentor=dict(num_classes=_classes, mean=(127, 127, 127), std=(128, 128, 128), to_bgr=False),
    HRDASegmentor=dict(detail_size=_window, detail_stride=_window),
    SlideInference=dict(crop_size=_window, stride=_window),
    DeepLabV3Head=_dilations,
    DeepLabV3PlusHead=_dilations,
    DAFormerHead=dict(_dilations, channels=dict(factor=0.25, default=256)),
    SegFormerHead=dict(channels=dict(factor=0.25, at_most=64, default=256)),
    UPerHead=dict(channels=dict(factor=0.25, at_most=64, default=512)),
    # At this size a discriminator of the full width would cost more than the segmentor.
    FCDiscriminator=dict(channels=_quarter),
    PatchGANDiscriminator=dict(channels=_quarter),
    # Nine blocks are for 256x256 pixels. In so short a training generators learn changes to the
    # image, since whole images they could not draw sharply; and as they begin as the identity, the
    # cycle has to cost less, or they would stay there.
    ResNetGenerator=dict(
        channels=_quarter, blocks=dict(at_most=6, default=9), global_skip=True),
    CycleGAN=dict(cycle_weight=2.0, identity_weight=0.5),
    # Images of all worlds are smaller than GTA5's: 3000 of its pixels are this share.
    RareClassSampler=dict(min_pixels=dict(remove=True), min_share=0.0015),
    RandomCrop=dict(class_pixels=dict(unit='area')),
    # From the hardest fifth of the pixels alone, hundreds of iterations do not learn to segment.
    MaskedConsistency=dict(_margins, block=dict(unit='pixels', default=64)),
    ClassMix=_margins,
    BalancedCrossEntropyLoss=dict(hard_percent=0, rare_pixels=dict(unit='area')),
    # They name folders and lists of the real data.
    ValLoop=dict(sets=dict(remove=True)),
    TestLoop=dict(sets=dict(remove=True)),
    LoggerHook=dict(interval=20),
    LinearRamp=dict(end=dict(unit='iterations', after='begin')),
    # They end with the training, so that a short one comes to rest.
    PolyDecay=dict(end=dict(remove=True)),
    PolyLR=dict(end=dict(remove=True)))
