"""Source-only: the network and supervised loss of gc_b1, agc_b1 and aagc_b2, on GTA5 alone.

    daseg train style_transfer/source_only

Zheng and Yang, "Rectifying Pseudo Label Learning", IJCV 2021, report 37.2 for their network
trained on the source alone. Training sees no image of Cityscapes, so batch norm has the statistics
of the source alone. Length and batch size are those of gc_b1.

Its work dir is work_dirs/source_only, where configs/cyclegan/gta2cityscapes_semantic.py looks for
its last checkpoint. Other configs of this file name need a --work-dir of their own.
"""

_base_ = ['./gc_b1.py']

model = dict(objectives=[
    dict(type='Supervised', aux_weight=0.5, loss=dict(
        type='BalancedCrossEntropyLoss', num_classes=19, rare_pixels=64 * 64))])
train_dataloader = dict(sampler=dict(type='EndlessSampler'), dataset=dict(
    _delete_=True, type='GTA5', root='data/gta5', pipeline=_base_.cropped_source))
optim_wrapper = dict(_delete_=True, constructor='OptimizersByNetwork', segmentor=dict(
    optimizer=dict(type='SGD', lr=2e-4, momentum=0.9, nesterov=True, weight_decay=5e-4),
    lr_mult=dict(head=10, aux_head=10)))
param_scheduler = dict(_delete_=True, segmentor=[
    dict(type='LinearRamp', end=5000), dict(type='PolyDecay')])
