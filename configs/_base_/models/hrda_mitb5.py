"""HRDA's network (Hoyer et al., ECCV 2022): DAFormer's, on the whole crop at half resolution and on a
detail crop of 512x512 at full resolution, fused by a scale attention. 85.7 million parameters.

A tenth of each loss on labels is the detail crop's: give each objective `weights=detail_weights`.
Tested in windows of 1024x1024, in each of which detail windows slide.
"""

_base_ = ['./segformer_mitb5.py']

detail_weights = dict(main=0.9, detail=0.1)
model = dict(
    segmentor=dict(
        type='HRDASegmentor',
        head=dict(_delete_=True, type='DAFormerHead'),
        attention=dict(type='DAFormerHead', fusion='conv'),
        detail_size=(512, 512),
        inference=dict(type='SlideInference', crop_size=(1024, 1024), stride=(512, 512))),
    objectives=[dict(type='Supervised', weights=detail_weights)])
