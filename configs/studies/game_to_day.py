r"""Synthetic to real: the drawn game with labels, CamVid by day without; tested on `day_test`.

    export DASEG_CAMVID=FOLDER
    daseg make-demo --root data/game --game varied --size 480 360 \
        --num-target 1 --num-val 1 --num-test 1
    daseg study studies/game_to_day

The adaptations and the supervised ceiling begin at source-only's weights of the same seed.
"""

title = 'From the drawn game to photographs'
seeds = [1, 2, 3]

ends = dict(group='Game to day', baseline='source_only', oracle='supervised')
start = dict(cfg_options={'load_from': '{source_only}'})
rows = [
    dict(name='source_only', data='game', config='configs/camvid/game_source_only.py', **ends),
    dict(name='source_longer', data='game', config='configs/camvid/game_source_only.py',
         remark='as many iterations as the adaptation', **ends,
         cfg_options={**start['cfg_options'], 'train_cfg.max_iters': 300,
                      'train_cfg.val_interval': 300,
                      'default_hooks.checkpoint.interval': 300}),
    dict(name='adapted', data='game + day (unlabelled)', config='configs/camvid/game_to_day.py',
         **ends, **start),
    dict(name='supervised', data='game, then day (labelled)',
         config='configs/camvid/game_supervised.py', **ends, **start),
]

claims = [
    dict(title='Adaptation helps', checks=['adapted > source_only', 'adapted > source_longer']),
    dict(title='Labels of the target help more', checks=['supervised > adapted']),
]
