"""Real to real, four times as long: what further iterations give with and without labels at dusk.

    export DASEG_CAMVID=FOLDER
    daseg study studies/day_to_dusk_long

Source-only is that of `studies/day_to_dusk`. From its weights the other rows train 900 iterations,
not 225: on images by day alone, adapted to the dusk with the recipe of that study that did best,
and with the labels of the dusk.
"""

title = 'From day to dusk, four times as long'
seeds = [1, 2, 3]

ends = dict(group='Day to dusk, 900 iterations', baseline='source_only', oracle='supervised')
start = {'load_from': '{source_only}', 'train_cfg.max_iters': 900, 'train_cfg.val_interval': 900,
         'default_hooks.checkpoint.interval': 900}
rows = [
    dict(name='source_only', data='day', config='configs/camvid/day_to_dusk_source_only.py',
         **ends),
    dict(name='masked', data='day + dusk (unlabelled)',
         config='configs/camvid/day_to_dusk_masked.py', **ends, cfg_options=start),
    dict(name='longer', data='day', config='configs/camvid/day_to_dusk_source_only.py', **ends,
         cfg_options={**start, 'optim_wrapper.segmentor.optimizer.lr': 0.003}),
    dict(name='supervised', data='day, then dusk (labelled)',
         config='configs/camvid/day_to_dusk_supervised.py', **ends, cfg_options=start),
]

claims = [
    dict(title='Adaptation helps beyond its iterations', checks=['masked > longer']),
    dict(title='Labels of the target help more', checks=['supervised > masked']),
]
