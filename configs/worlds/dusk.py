"""The embedded world with its city at dusk: the game in daylight, the target dark, blue and noisy.

    daseg make-demo --root data/demo_dusk --light dusk
    daseg train adaptseg/single_vanilla --world dusk

As `pyramid.py`, with the length of `demo.py`. Here the domains differ in light and sensor, so that a
network of the game loses most of what it knows and adaptation has much to gain. DASEG_DUSK names
another folder than data/demo_dusk.
"""

_base_ = ['./pyramid.py']

max_iters = 120
least_interval = 30

root, variable = 'data/demo_dusk', 'DASEG_DUSK'
if_missing = 'draw the embedded world at dusk first: daseg make-demo --root {root} --light dusk'
