"""AdaptSegNet's network supervised on Cityscapes: an upper bound for its adaptation.

    daseg train adaptseg/oracle

The authors of AdaptSegNet (Tsai et al., CVPR 2018) show 65.1 mIoU on the page of their code. As
there, the network has one head. Whole images are resized to 1024x512 (the base crops them). The
schedule is that of the adaptation, which is assumed: the public code has no training of it.
"""

_base_ = ['../_base_/models/adaptsegnet_r101.py', '../_base_/datasets/cityscapes_640x360.py',
          '../_base_/schedules/sgd_poly.py', '../_base_/runtime.py']

model = dict(segmentor=dict(aux_head=None))
train_dataloader = dict(batch_size=1, dataset=dict(pipeline=[
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabel'),
    dict(type='ResizePIL', scale=(1024, 512)),
    dict(type='PackSample')]))
train_cfg = dict(max_iters=150000, val_interval=5000)
param_scheduler = [dict(type='PolyDecay', end=250000)]
