"""The families of methods on the demo's network, from one start and for the same iterations.

    daseg make-demo
    daseg study studies/demo_methods

`start` learns the drawn game for 120 iterations from ImageNet weights. From there each row goes on
for 60 at the same rates and with the same class weights: on the game alone (source-only), on the
game and the city's images, or on the city's labels (supervised). Class weights and the size of the
images are the demo's. Tested is the trained network, not its teacher, so that a teacher helps by
its labels alone.

Weights are ten times those of the papers, since 60 iterations stand for a hundred thousand; the
confidence is the demo's. No target label and no test image was used to choose anything.
"""

title = 'Methods on the network of the demo, from one start'
seeds = [1, 2, 3]

# daseg class-weights demo/source_only --rule sqrt
class_weights = [0.18, 0.379, 0.171, 1.091, 1.047, 0.555, 2.504, 1.224, 0.367, 0.402, 0.216, 1.335,
                 2.695, 0.315, 0.819, 0.921, 0.981, 1.859, 1.938]
labels = dict(type='Supervised', loss=dict(type='CrossEntropyLoss', class_weights=class_weights))
taught = dict(loss='supervised', confidence=0.9)
class_mix = dict(type='ClassMix', **taught)
masked = dict(type='MaskedConsistency', block=16, **taught)
min_ent = dict(type='EntropyMinimization', weight=0.01)
adv_ent = dict(type='OutputAdversarial', weight=0.01, map='entropy',
               discriminator=dict(type='FCDiscriminator', channels=16))

both = dict(  # optimizers: the demo's, and AdaptSegNet's discriminators at five times the rate
    constructor='OptimizersByNetwork',
    segmentor=dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=5e-4),
                   lr_mult=dict(head=10)),
    discriminators=dict(optimizer=dict(type='Adam', lr=5e-4, betas=(0.9, 0.99))))

load = [dict(type='LoadImageFromFile'), dict(type='LoadLabel')]
shrink = dict(type='RandomResize', scale=(256, 128), ratio_range=(0.75, 1.5), keep_ratio=True)
crop = dict(type='RandomCrop', crop_size=(96, 128), cat_max_ratio=0.75)
rare_crop = dict(crop, class_pixels=64)
end = [dict(type='RandomFlip', prob=0.5), dict(type='PackSample')]
labelled, unlabelled = [*load, shrink, crop, *end], [load[0], shrink, crop, *end]
rare = [*load, shrink, rare_crop, *end]
tested = [load[0], dict(type='Resize', scale=(256, 128), keep_ratio=True), load[1], end[1]]

data = 'train_dataloader.dataset.'
all_alike = {
    'model.objectives': [labels], 'val_dataloader.dataset.pipeline': tested,
    'test_dataloader.dataset.pipeline': tested, 'default_hooks.checkpoint.interval': 1000}
one_domain = {**all_alike, data + 'pipeline': labelled}
start = {'train_cfg.max_iters': 120, 'train_cfg.val_interval': 120}
goes_on = {'train_cfg.max_iters': 60, 'train_cfg.val_interval': 60, 'load_from': '{start}'}
pair = {**all_alike, **goes_on, data + 'source.pipeline': labelled,
        data + 'target.pipeline': unlabelled}
alone = {**pair, 'model.teacher_momentum': None}
taught_pair = {**pair, 'model.evaluate': 'student'}
mixing = {**taught_pair, 'model.objectives': [labels, class_mix]}
rare_mixing = {**mixing, data + 'source.pipeline': rare,
               'train_dataloader.sampler.source_sampler': dict(
                   type='RareClassSampler', temperature=0.1, min_share=0.0015)}

steps = [dict(name='start', config='configs/demo/source_only.py',
              cfg_options={**one_domain, **start})]
game_and_city = dict(data='game + city (unlabelled)', config='configs/demo/adapted.py',
                     baseline='source_only', oracle='supervised')
rows = [
    dict(name='source_only', data='game', config='configs/demo/source_only.py',
         cfg_options={**one_domain, **goes_on}),
    dict(name='min_ent', remark='MinEnt (Vu et al., CVPR 2019)', **game_and_city,
         cfg_options={**alone, 'model.objectives': [labels, min_ent]}),
    dict(name='adv_ent', remark='ADVENT (Vu et al., CVPR 2019), one level', **game_and_city,
         cfg_options={**alone, 'model.objectives': [labels, adv_ent], 'optim_wrapper': both}),
    dict(name='fourier', remark='Fourier translation (FDA; Yang and Soatto, CVPR 2020)',
         **game_and_city,
         cfg_options={**alone, data + 'translator': dict(type='FourierTranslator', beta=0.03)}),
    dict(name='class_mix', remark='ClassMix (DACS; Tranheden et al., WACV 2021)', **game_and_city,
         cfg_options=mixing),
    dict(name='class_mix_rare', remark='with rare class sampling (DAFormer; Hoyer et al., CVPR 2022)',
         **game_and_city, cfg_options=rare_mixing),
    dict(name='class_mix_rare_masked',
         remark='with masked images as well (MIC; Hoyer et al., CVPR 2023)', **game_and_city,
         cfg_options={**rare_mixing, 'model.objectives': [labels, class_mix, masked]}),
    dict(name='supervised', data='city (labelled)', config='configs/demo/supervised.py',
         cfg_options={**one_domain, **goes_on}),
]

claims = [
    dict(title='Each family adapts', checks=[
        'min_ent > source_only', 'adv_ent > source_only', 'fourier > source_only',
        'class_mix > source_only']),
    dict(title='Self-training with mixed images is ahead of aligned outputs', checks=[
        'class_mix > min_ent', 'class_mix > adv_ent']),
    dict(title='Rare class sampling adds to it', checks=['class_mix_rare > class_mix']),
    dict(title='Masked images add to both', checks=['class_mix_rare_masked > class_mix_rare']),
    dict(title='Labels of the city are ahead of all', checks=[
        'supervised > class_mix', 'supervised > class_mix_rare_masked']),
]
