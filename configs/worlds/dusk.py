"""The embedded world with its city at dusk: the game in daylight, the target dark, blue and noisy.

    daseg make-demo --root data/demo_dusk --light dusk
    daseg train adaptseg/single_vanilla --world dusk

As `pyramid.py`, but at three quarters of its size and with the length of `demo.py`. Here the domains
differ in light and sensor, so that a network of the game loses most of what it knows and adaptation
has much to gain. The pyramid head begins at random, and in so short a training it learns at ten
times the backbone's rate. DASEG_DUSK names another folder than data/demo_dusk.
"""

_base_ = ['./pyramid.py']

size = (192, 96)
max_iters = 120
least_lr, lr_mult = 0.01, dict(head=10)

parts = dict(MultiScaleDiscriminator=dict(channels=dict(factor=0.25, default=32)))

root, variable = 'data/demo_dusk', 'DASEG_DUSK'
if_missing = 'draw the embedded world at dusk first: daseg make-demo --root {root} --light dusk'
