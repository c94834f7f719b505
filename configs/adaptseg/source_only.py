"""Source-only: AdaptSegNet's network trained on GTA5 alone and tested on Cityscapes.

    daseg train adaptseg/source_only --work-dir work_dirs/adaptseg_source_only

The baseline of every adaptation: Tsai et al. (CVPR 2018) report 36.6 mIoU. Training sees no image
of Cityscapes, so batch norm has the statistics of the source alone. As theirs, the schedule ends
at 250000 and the training at 150000. Their optimizer lists the backbone's weights about three
times; here each weight is listed once. To do as they do: `--cfg-options
optim_wrapper.segmentor.emulate_duplicate_groups=True`. Other configs have this file name too,
hence the work dir.
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
