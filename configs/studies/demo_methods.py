"""The families of methods on the demo's network, from one start and for the same iterations.

    daseg make-demo
    daseg study studies/demo_methods

`start` learns the drawn game for 200 iterations from ImageNet weights. From there each row goes on
for 200 at the same rates and with the same class weights: on the game alone (source-only), on the
game and the city's images, or on the city's labels (supervised). Class weights and the size of the
images are the demo's. HRDA's network sees images of twice that size, their context at the demo's,
so that it has a start and a source-only row of its own. Where there is a teacher, it is tested.

Weights of adversarial and entropy losses are ten times those of the papers, since 200 iterations
stand for a hundred thousand; the confidence is the demo's. No target label and no test image was
used to choose anything.
"""

title = 'Methods on the network of the demo, from one start'
seeds = [1, 2, 3]

# daseg class-weights demo/source_only --rule sqrt
class_weights = [0.18, 0.379, 0.171, 1.091, 1.047, 0.555, 2.504, 1.224, 0.367, 0.402, 0.216, 1.335,
                 2.695, 0.315, 0.819, 0.921, 0.981, 1.859, 1.938]
labels = dict(type='Supervised', loss=dict(type='CrossEntropyLoss', class_weights=class_weights))
taught = dict(loss='supervised', confidence=0.9)
class_mix = dict(type='ClassMix', **taught)
masked = dict(type='MaskedConsistency', block=32, **taught)
feature_distance = dict(  # of things, from what ImageNet taught
    type='FeatureDistance',
    backbone=dict(type='EfficientNetLite0', output_stride=32, weights='package'))
min_ent = dict(type='EntropyMinimization', weight=0.01)
adv_ent = dict(type='OutputAdversarial', weight=0.01, map='entropy',
               discriminator=dict(type='FCDiscriminator', channels=16))

both = dict(  # optimizers: the demo's, and AdaptSegNet's discriminators at five times the rate
    constructor='OptimizersByNetwork',
    segmentor=dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=5e-4),
                   lr_mult=dict(head=10)),
    discriminators=dict(optimizer=dict(type='Adam', lr=5e-4, betas=(0.9, 0.99))))

load = [dict(type='LoadImageFromFile'), dict(type='LoadLabel')]
end = [dict(type='RandomFlip', prob=0.5), dict(type='PackSample')]


def pipelines(zoom, **crop):
    """How labelled and unlabelled images are cut out, and tested, so many times the demo's size."""
    size = (256 * zoom, 128 * zoom)
    cut = [dict(type='RandomResize', scale=size, ratio_range=(0.75, 1.5), keep_ratio=True),
           dict(type='RandomCrop', crop_size=(96 * zoom, 128 * zoom), cat_max_ratio=0.75, **crop)]
    resize = dict(type='Resize', scale=size, keep_ratio=True)
    return [*load, *cut, *end], [load[0], *cut, *end], [load[0], resize, load[1], end[1]]


data = 'train_dataloader.dataset.'
its = {'train_cfg.max_iters': 200, 'train_cfg.val_interval': 200,
       'default_hooks.checkpoint.interval': 200}
goes_on = {**its, 'load_from': '{start}'}
alone = {**goes_on, 'model.teacher_momentum': None}


def rare(zoom=1, weights=None):
    """DAFormer's training: rare classes drawn more often, feature distance, mixtures."""
    labelled, unlabelled, _ = pipelines(zoom, class_pixels=64 * zoom ** 2)
    heads = dict(weights=weights) if weights else {}
    return [dict(labels, **heads), feature_distance, dict(class_mix, **heads)], {
        **goes_on, data + 'source.pipeline': labelled, data + 'target.pipeline': unlabelled,
        'train_dataloader.sampler.source_sampler': dict(
            type='RareClassSampler', temperature=0.1, min_share=0.0015)}


# HRDA: the context is half as large as the image, as large as what the other rows see
detail = dict(main=0.9, detail=0.1)
labelled, _, tested = pipelines(2)
network = {
    'model.segmentor.type': 'HRDASegmentor', 'model.segmentor.attention': dict(type='FPNHead'),
    'model.segmentor.detail_size': (96, 128), 'model.segmentor.detail_stride': (96, 128),
    'val_dataloader.dataset.pipeline': tested, 'test_dataloader.dataset.pipeline': tested}
from_network = {**network, 'load_from': '{hrda_start}'}
one_network = {**network, data + 'pipeline': labelled,
               'model.objectives': [dict(labels, weights=detail)]}
daformer, daformer_options = rare()
hrda, hrda_options = rare(2, detail)
# hidden blocks change the statistics of batch norm, so that the teacher has its own
own_statistics = {'model.teacher_statistics': 'batch', 'model.teacher_buffers': 'own'}
mic = [*hrda, dict(masked, weights=detail)]

steps = [dict(name='start', config='configs/demo/source_only.py', cfg_options=its),
         dict(name='hrda_start', config='configs/demo/source_only.py',
              cfg_options={**its, **one_network})]
ends = dict(baseline='source_only', oracle='supervised')
game_and_city = dict(data='game + city (unlabelled)', config='configs/demo/adapted.py', **ends)
rows = [
    dict(name='source_only', data='game', config='configs/demo/source_only.py',
         cfg_options=goes_on),
    dict(name='min_ent', remark='MinEnt (Vu et al., CVPR 2019)', **game_and_city,
         cfg_options={**alone, 'model.objectives': [labels, min_ent]}),
    dict(name='adv_ent', remark='ADVENT (Vu et al., CVPR 2019), one level', **game_and_city,
         cfg_options={**alone, 'model.objectives': [labels, adv_ent], 'optim_wrapper': both}),
    dict(name='fourier', remark='Fourier translation (FDA; Yang and Soatto, CVPR 2020)',
         **game_and_city,
         cfg_options={**alone, 'model.objectives': [labels],
                      data + 'translator': dict(type='FourierTranslator', beta=0.03)}),
    dict(name='class_mix', remark='ClassMix (DACS; Tranheden et al., WACV 2021)', **game_and_city,
         cfg_options=goes_on),
    dict(name='daformer', remark='DAFormer\'s training (Hoyer et al., CVPR 2022): rare class '
         'sampling and feature distance as well', **game_and_city,
         cfg_options={**daformer_options, 'model.objectives': daformer}),
    dict(name='hrda_source_only', data='game', remark='HRDA\'s network', baseline='source_only',
         oracle='supervised', config='configs/demo/source_only.py',
         cfg_options={**its, **one_network, 'load_from': '{hrda_start}'}),
    dict(name='hrda', remark='HRDA (Hoyer et al., ECCV 2022)', **game_and_city,
         cfg_options={**hrda_options, **from_network, 'model.objectives': hrda}),
    dict(name='mic', remark='MIC with HRDA (Hoyer et al., CVPR 2023)', **game_and_city,
         cfg_options={**hrda_options, **from_network, **own_statistics, 'model.objectives': mic}),
    dict(name='supervised', data='city (labelled)', config='configs/demo/supervised.py',
         cfg_options=goes_on),
]

claims = [
    dict(title='Each family adapts', checks=[
        'min_ent > source_only', 'adv_ent > source_only', 'fourier > source_only',
        'class_mix > source_only', 'daformer > source_only', 'hrda > hrda_source_only']),
    dict(title='Self-training with mixed images is ahead of aligned outputs', checks=[
        'class_mix > min_ent', 'class_mix > adv_ent']),
    dict(title='Rare class sampling and feature distance add to it', checks=[
        'daformer > class_mix']),
    dict(title='Two resolutions add to it', checks=[
        'hrda_source_only > source_only', 'hrda > daformer']),
    dict(title='Masked images add to it', checks=['mic > hrda']),
    dict(title='Labels of the city are ahead of all', checks=[
        'supervised > class_mix', 'supervised > daformer', 'supervised > hrda',
        'supervised > mic']),
]
