"""Source-only: AdaptSegNet's network trained on GTA5 alone and tested on Cityscapes.

    python tools/train.py configs/adaptseg/source_only.py --work-dir work_dirs/adaptseg_source_only

Other configs have this file name, too, hence the work dir. Every adaptation is measured against
this. Tsai et al. (CVPR 2018) report 36.6 mIoU. No image of Cityscapes is seen in training, so that
batch norm's statistics are the source's alone. The schedule ends at 250000, the training at 150000,
as theirs. Their optimizer is given the backbone's weights about three times; here each weight is
given once, at the stated rate. To do as theirs:
`--cfg-options optim_wrapper.segmentor.emulate_duplicate_groups=True`. Not yet run here: it needs
GTA5, Cityscapes and a GPU.
"""

_base_ = ['../_base_/models/adaptsegnet_r101.py',
          '../_base_/datasets/gta5_to_cityscapes_pair.py',
          '../_base_/schedules/sgd_poly.py', '../_base_/runtime.py']

# The source of the pair alone.
train_dataloader = dict(sampler=dict(type='EndlessSampler'), dataset=dict(
    _delete_=True, type='GTA5', root='data/gta5', pipeline=_base_.source_pipeline))
train_cfg = dict(max_iters=150000, val_interval=5000)
optim_wrapper = dict(segmentor=dict(lr_mult=dict(head=10, aux_head=10)))
param_scheduler = [dict(type='PolyDecay', end=250000)]
