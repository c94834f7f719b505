r"""Source-free: SegFormer that was trained on GTA5 goes on with Cityscapes' images alone.

    daseg train segformer/segformer_source_only
    daseg train source_free/segformer

What a trained network can learn where the source must not be kept: to predict from target images
of which 70 % is hidden what its teacher says of the whole ones (MIC, Hoyer et al., CVPR 2023), where
the teacher is confident; and certain predictions of many classes (SHOT, Liang et al., ICML 2020).
A tenth of the usual rate, for 4000 iterations. There is no published number for this.

Nothing holds it to the source's classes: compare with the checkpoint that it starts from, at each
validation. Entropy without diversity (EntropyMinimization) makes rare classes disappear.
"""

_base_ = ['../segformer/segformer_source_only.py']

train_dataloader = dict(
    sampler=dict(_delete_=True, type='PairSampler'),
    dataset=dict(_delete_=True, type='DomainPair', source=None, target=dict(
        type='Cityscapes', root='data/cityscapes', split='train', labels=False, pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(1024, 512), keep_ratio=True),
            dict(type='RandomCrop', crop_size=(512, 512)),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackSample')])))
model = dict(
    objectives=[
        dict(type='MaskedConsistency', block=32, weighting='pixel', confidence=0.9),
        dict(type='InformationMaximization', weight=0.01)],
    teacher_momentum=0.001)
optim_wrapper = dict(segmentor=dict(optimizer=dict(lr=6e-6)))
train_cfg = dict(max_iters=4000, val_interval=400)
param_scheduler = [dict(type='PolyDecay', power=1.0)]
load_from = 'work_dirs/segformer_source_only/iter_40000.pth'
