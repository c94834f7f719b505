"""`daseg demo` over three seeds: from the game by day to the city at dusk.

    export DASEG_DEMO=data/demo_dusk
    daseg make-demo --root data/demo_dusk --light dusk
    daseg study studies/demo

All rows of a seed go on from one start, for as many iterations.
"""

title = 'The demo over three seeds'
seeds = [0, 1, 2]

steps = [dict(name='start', config='configs/demo/source_only.py')]
from_start = dict(load_from='{start}')
ends = dict(baseline='source_only', oracle='supervised')
rows = [
    dict(name='source_only', data='game', config='configs/demo/source_only.py',
         cfg_options=from_start),
    dict(name='adapted', data='game + city at dusk (unlabelled)',
         config='configs/demo/adapted_dusk.py', cfg_options=from_start, **ends),
    dict(name='supervised', data='game, then city at dusk (labelled)',
         config='configs/demo/supervised.py', cfg_options=from_start),
]

claims = [
    dict(title='Adaptation closes a part of the gap', checks=[
        'adapted > source_only', 'supervised > adapted']),
]
