"""DAFormer's network (Hoyer et al., CVPR 2022): the mix transformer B5, and a head that fuses all its
maps with dilated separable convolutions. 85.2 million parameters.
"""

_base_ = ['./segformer_mitb5.py']

model = dict(segmentor=dict(head=dict(_delete_=True, type='DAFormerHead')))
