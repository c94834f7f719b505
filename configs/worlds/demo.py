"""The embedded world: GTA5 and SYNTHIA are its drawn game, Cityscapes its drawn city.

    daseg make-demo
    daseg train adaptseg/single_vanilla --world demo

DASEG_DEMO names another folder than data/demo.
"""

_base_ = ['../_base_/world.py']

size = (256, 128)
num_classes = 19
max_iters = 120
least_interval = 30

root, variable = 'data/demo', 'DASEG_DEMO'
translated, pseudo_labels = '{root}/gta5_translated', '{root}/pseudo_labels'
if_missing = 'draw the embedded world first: daseg make-demo --root {root}'

_game = dict(type='GTA5', root='{root}/gta5', images=400)
_city = dict(type='Cityscapes', root='{root}/cityscapes')
_held_out = dict(
    val=dict(_city, split='val', images=60), test=dict(_city, split='test', images=60))
_translated = dict(_game, root='{translated}', label_root='{root}/gta5')
datasets = dict(
    GTA5=dict(images=24966, train=_game, translated=_translated, **_held_out),
    SYNTHIA=dict(images=9400, train=_game, translated=_translated, **_held_out),
    Cityscapes=dict(images=2975, train=dict(_city, split='train', images=300), **_held_out),
    # From Cityscapes the way leads back to the game, though it is the city that is measured.
    ACDC=dict(images=1600, train=_game, **_held_out),
    DarkZurich=dict(images=2416, train=_game, **_held_out))
