"""The embedded world with a pyramid head in the place of each config's main head.

    daseg make-demo
    daseg train adaptseg/single_vanilla --world pyramid

As `demo.py`, but the main head of every config is `FPNHead`, on a backbone of output stride 32:
its finest map has stride 4, and coarse ones cost less than with dilations, so that trainings can be
twice as long. Auxiliary heads stay what they are.
"""

_base_ = ['./demo.py']

max_iters = 240
least_interval = 60

parts = dict(backbone=dict(output_stride=32), Segmentor=dict(head=dict(type='FPNHead')))
