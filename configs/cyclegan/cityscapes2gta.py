"""CycleGAN with the domains swapped: Cityscapes, now the source, in the look of GTA5.

    daseg train cyclegan/cityscapes2gta

The same training as gta2cityscapes.py, which learns both directions too. This config is for
translating test images of Cityscapes by "source_to_target", for a segmentor trained on GTA5. No
label is read. The training takes days on a GPU.
"""

_base_ = ['gta2cityscapes.py']

load, flip = dict(type='LoadImageFromFile'), dict(type='RandomFlip', prob=0.5)
crop, pack = dict(type='RandomCrop', crop_size=(360, 360)), dict(type='PackSample')
gta = [load, dict(type='ResizePIL', scale=(1024, 563)), crop, flip, pack]
city = [load, dict(type='ResizePIL', scale=(1024, 512)), crop, flip, pack]
train_dataloader = dict(dataset=dict(
    source=dict(_delete_=True, type='Cityscapes', root='data/cityscapes', split='train',
                labels=False, pipeline=city),
    target=dict(_delete_=True, type='GTA5', root='data/gta5', labels=False, pipeline=gta)))
