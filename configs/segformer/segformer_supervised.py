r"""SegFormer with MiT-B5, supervised on Cityscapes at 1024x512: an upper bound for its adaptation.

    daseg train segformer/segformer_supervised

Xie et al., "SegFormer", NeurIPS 2021, whose published 84.0 mIoU on the validation images needs what
is not here: crops of 1024, 160000 iterations in batches of 8, and testing at several scales. The
schedule is DAFormer's, so that the two can be compared. To test published weights of Cityscapes (82.4
at full size, see docs/weights.md):

    daseg convert segformer segformer.b5.1024x1024.city.160k.pth data/weights/segformer_b5.pth \
        --config segformer/segformer_supervised
    daseg test segformer/segformer_supervised data/weights/segformer_b5.pth
"""

_base_ = ['../_base_/models/segformer_mitb5.py', '../_base_/datasets/cityscapes_512.py',
          '../_base_/schedules/adamw_warmup.py', '../_base_/runtime.py']
