"""Real to real: CamVid by day with labels, at dusk without, tested on `dusk_test`.

    export DASEG_CAMVID=FOLDER
    daseg study studies/day_to_dusk

All rows but the first go on from source-only's weights of the same seed, for the same number of
iterations: `longer` by day alone says what the iterations give without adaptation. HRDA's network,
which sees two resolutions, has a source-only row of its own.
"""

title = 'From day to dusk'
seeds = [1, 2, 3]

ends = dict(group='Day to dusk', baseline='source_only', oracle='supervised')
start = dict(load_from='{source_only}')
hrda_start = dict(load_from='{hrda_source_only}')
rows = [
    dict(name='source_only', data='day', config='configs/camvid/day_to_dusk_source_only.py',
         **ends),
    dict(name='longer', data='day', config='configs/camvid/day_to_dusk_source_only.py', **ends,
         cfg_options={**start, 'train_cfg.max_iters': 225, 'train_cfg.val_interval': 225,
                      'optim_wrapper.segmentor.optimizer.lr': 0.003,
                      'default_hooks.checkpoint.interval': 225}),
    dict(name='classmix', data='day + dusk (unlabelled)', config='configs/camvid/day_to_dusk.py',
         **ends, cfg_options=start),
    dict(name='daformer', data='day + dusk (unlabelled)',
         config='configs/camvid/day_to_dusk_daformer.py', **ends, cfg_options=start),
    dict(name='masked', data='day + dusk (unlabelled)',
         config='configs/camvid/day_to_dusk_masked.py', **ends, cfg_options=start),
    dict(name='hrda_source_only', data='day',
         config='configs/camvid/day_to_dusk_hrda_source_only.py', **ends),
    dict(name='hrda', data='day + dusk (unlabelled)', config='configs/camvid/day_to_dusk_hrda.py',
         **ends, cfg_options=hrda_start),
    dict(name='mic', data='day + dusk (unlabelled)', config='configs/camvid/day_to_dusk_mic.py',
         **ends, cfg_options=hrda_start),
    dict(name='supervised', data='day, then dusk (labelled)',
         config='configs/camvid/day_to_dusk_supervised.py', **ends, cfg_options=start),
    dict(name='both', data='day, then day + dusk (labelled)',
         config='configs/camvid/day_to_dusk_both.py', **ends, cfg_options=start),
]

claims = [
    dict(title='Adaptation helps beyond its iterations', checks=[
        'classmix > longer', 'masked > longer', 'masked > classmix']),
    dict(title='Two resolutions help', checks=[
        'hrda_source_only > source_only', 'hrda > daformer']),
    dict(title='Adaptation helps the network of two resolutions', checks=[
        'hrda > hrda_source_only']),
    dict(title='Masked images add to it', checks=['mic > hrda']),
    dict(title='Labels of the target help more', checks=[
        'supervised > classmix', 'both > classmix', 'supervised > mic']),
]
