"""The embedded world, adapted: from the game to the city, whose labels are not used.

    daseg make-demo
    daseg train demo/source_only
    daseg train demo/adapted --cfg-options load_from=work_dirs/source_only/iter_400.pth
    daseg test demo/adapted work_dirs/adapted/iter_400.pth

The teacher is the mean of the network over the last iterations. It labels images of the city,
classes of the game are pasted onto them, and the network learns the mixture beside the game, with
the same class weights (Tranheden et al., "DACS", WACV 2021). The teacher is tested.
"""

_base_ = ['./source_only.py']

city_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResize', scale=(256, 128), ratio_range=(0.75, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(96, 128)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSample')]
train_dataloader = dict(
    sampler=dict(type='PairSampler'),
    dataset=dict(
        _delete_=True,
        type='DomainPair',
        source=dict(
            type='GTA5', root='{{$DASEG_DEMO:data/demo}}/gta5', pipeline={{_base_.train_pipeline}}),
        target=dict(
            type='Cityscapes', root='{{$DASEG_DEMO:data/demo}}/cityscapes', split='train', labels=False,
            pipeline=city_pipeline)))

model = dict(
    objectives=[{{_base_.fit_labels}}, dict(type='ClassMix', loss='supervised', confidence=0.9)],
    teacher_momentum=0.02)
