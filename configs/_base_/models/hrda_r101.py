"""HRDA (Hoyer et al., ECCV 2022) on DeepLab v2: see `hrda_mitb5.py` and `daformer_r101.py`.

The scale attention is a head of the same kind. Boxes begin at multiples of 16, the stride of the
context's logits; the public code has 8, which lies between two of them.
"""

_base_ = ['./daformer_r101.py']

detail_weights = dict(main=0.9, detail=0.1)
model = dict(
    segmentor=dict(
        type='HRDASegmentor',
        attention=dict(type='DeepLabV2Head', dilations=(6, 12), branches=2),
        detail_size=(512, 512),
        box_multiple=16,
        inference=dict(type='SlideInference', crop_size=(1024, 1024), stride=(512, 512))),
    objectives=[dict(type='Supervised', weights=detail_weights)])
