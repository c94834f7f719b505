"""AdaptSegNet, two levels, least-squares GAN, at 512x256 (the study's multi_640x360_lsgan_b2).

    daseg train adaptseg/lsgan_b2

The study reports 20.62 mIoU after 120000 iterations, far below a source-only network (36.6 in Tsai
et al., CVPR 2018). The study does not state, so these are assumed: both domains at 512x256, the
adversarial weights of the paper's two-level network (for LSGAN its authors suggest ten times as
much: multi_lsgan.py), the published initial weights. Tested at 1024x512 as published.
"""

_base_ = ['../_base_/models/adaptsegnet_r101.py',
          '../_base_/datasets/gta5_to_cityscapes_pair.py',
          '../_base_/schedules/adaptseg.py', '../_base_/runtime.py']

model = dict(objectives=[
    dict(type='Supervised', aux_weight=0.1),
    dict(type='OutputAdversarial', level='aux', weight=0.0002,
         discriminator=dict(type='FCDiscriminator'), loss=dict(type='LSGANLoss')),
    dict(type='OutputAdversarial', level='main', weight=0.001,
         discriminator=dict(type='FCDiscriminator'), loss=dict(type='LSGANLoss'))])

load, pack = dict(type='LoadImageFromFile'), dict(type='PackSample')
label = dict(type='LoadLabel', on_size_mismatch='resize')
resize = dict(type='ResizePIL', scale=(512, 256))
train_dataloader = dict(batch_size=2, dataset=dict(
    source=dict(pipeline=[load, label, resize, pack]), target=dict(pipeline=[load, resize, pack])))
train_cfg = dict(max_iters=120000)
