"""CycleGAN: GTA5 in the look of Cityscapes, and Cityscapes in that of GTA5.

    daseg train cyclegan/gta2cityscapes

Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV
2017. As in the authors' translation of GTA5: images 1024 wide, crops of 360x360, an identity loss
of the same weight as the cycle's. Whole images of that width are translated afterwards. No label
is read. The training takes days on a GPU.
"""

_base_ = ['../_base_/models/cyclegan_resnet9.py', '../_base_/schedules/cyclegan.py',
          '../_base_/runtime.py']

model = dict(identity_weight=1.0)

load, flip = dict(type='LoadImageFromFile'), dict(type='RandomFlip', prob=0.5)
crop, pack = dict(type='RandomCrop', crop_size=(360, 360)), dict(type='PackSample')
gta = [load, dict(type='ResizePIL', scale=(1024, 563)), crop, flip, pack]
city = [load, dict(type='ResizePIL', scale=(1024, 512)), crop, flip, pack]
train_dataloader = dict(
    batch_size=1, num_workers=4, persistent_workers=True, pin_memory=True,
    sampler=dict(type='PairSampler'), collate_fn=dict(type='collate'),
    dataset=dict(
        type='DomainPair',
        source=dict(type='GTA5', root='data/gta5', labels=False, pipeline=gta),
        target=dict(type='Cityscapes', root='data/cityscapes', split='train', labels=False,
                    pipeline=city)))

custom_hooks = [
    dict(type='RecordDataHook'), dict(type='ProgressHook'), dict(type='ReportHook'),
    dict(type='TranslationPicturesHook', interval=5000)]
