"""The rows of `demo_methods` from the game by day to the city at dusk.

    export DASEG_DEMO=data/demo_dusk
    daseg make-demo --root data/demo_dusk --light dusk
    daseg study studies/demo_methods_dusk

Nothing is changed but the images and the teachers: at dusk every teacher normalises by the dusk's own
statistics, in training and in testing, as AdaBN does. Those of the network, which learns the game
by day as well, mislead it in images that are this dark.
"""

_base_ = ['./demo_methods.py']

title = 'Methods on the network of the demo, from the game by day to the city at dusk'
taught_rows = ('class_mix', 'daformer', 'hrda', 'mic')
rows = [
    dict(row, cfg_options={**row['cfg_options'], 'model.teacher_statistics': 'batch',
                           'model.teacher_buffers': 'own'}) if row['name'] in taught_rows else row
    for row in _base_.rows]
