"""AdaptSegNet, two levels, least-squares GAN, at 640x360 (the study's multi_640x360_lsgan_b1).

    daseg train adaptseg/lsgan_b1

The study reports 15.52 mIoU after 150000 iterations, far below a source-only network (36.6 in Tsai
et al., CVPR 2018). The study does not state, so these are assumed: both domains at 640x360, the
adversarial weights of the paper's two-level network (for LSGAN its authors suggest ten times as
much: multi_lsgan.py), the published initial weights. Tested at 1024x512 as published.
"""

_base_ = ['./lsgan_b2.py']

at_640 = dict(type='ResizePIL', scale=(640, 360))
train_dataloader = dict(batch_size=1, dataset=dict(
    source=dict(pipeline=[_base_.load, _base_.label, at_640, _base_.pack]),
    target=dict(pipeline=[_base_.load, at_640, _base_.pack])))
train_cfg = dict(max_iters=150000)
