"""CamVid: the source is the day, the target the dusk; validated by day, tested at dusk.

    export DASEG_CAMVID=FOLDER
    daseg train adaptseg/single_vanilla --world camvid

Translated images and pseudo-labels have folders of their own, since CamVid's may be read-only.
"""

_base_ = ['../_base_/world.py']

size = (240, 180)
num_classes = 11

root, variable = 'data/camvid', 'DASEG_CAMVID'
translated, pseudo_labels = 'data/camvid_translated', 'data/camvid_pseudo_labels'
if_missing = 'say where CamVid is with the environment variable DASEG_CAMVID'

# Choices that name the classes of Cityscapes.
_subsets = {key: dict(remove=True) for key in ('classes', 'subsets', 'subset_means')}
parts = dict(metric=_subsets)

_photos = dict(type='CamVid', root='{root}')
_day = dict(_photos, list_file='lists/day_train.txt', images=305)
_dusk = dict(_photos, list_file='lists/dusk_train.txt', images=62)
_held_out = dict(
    val=dict(_photos, list_file='lists/day_val.txt', images=101),
    test=dict(_photos, list_file='lists/dusk_test.txt', images=62))
_translated = dict(_day, root='{translated}', label_root='{root}')
datasets = dict(
    GTA5=dict(images=24966, train=_day, translated=_translated, **_held_out),
    SYNTHIA=dict(images=9400, train=_day, translated=_translated, **_held_out),
    Cityscapes=dict(images=2975, train=_dusk, **_held_out),
    # From Cityscapes, the dusk, the way leads back to the day.
    ACDC=dict(images=1600, train=_day, **_held_out),
    DarkZurich=dict(images=2416, train=_day, **_held_out))
