"""The embedded world with a network that learns more in the same time: a pyramid head.

    daseg make-demo
    daseg train adaptseg/single_vanilla --world pyramid

As `demo.py`, but the main head of every config is `FPNHead`, on a backbone of output stride 32.
Its fine maps see thin and small things, and an iteration costs less than with dilated heads; so a
training can be longer. Auxiliary heads stay what they are.
"""

_base_ = ['./demo.py']

max_iters = 240
least_interval = 60

parts = dict(backbone=dict(output_stride=32), Segmentor=dict(head=dict(type='FPNHead')))
