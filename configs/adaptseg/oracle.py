"""AdaptSegNet's network supervised on Cityscapes: what adaptation could reach at best.

    python tools/train.py configs/adaptseg/oracle.py
    python tools/train.py configs/adaptseg/oracle.py --world demo

The authors of AdaptSegNet (Tsai et al., CVPR 2018) show 65.1 mIoU on the page of their code. As there
the network has one head. Whole images are resized to 1024x512, where the base below crops them, and the schedule is that of the adaptation (assumed: the public code has no training
of it). Not yet run here on the real images, which need a GPU; the second command runs it in the
embedded world, within minutes.
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
