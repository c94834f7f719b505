"""The study's agc_640x360_b1: gc_b1 with GTA5 and its translation to Cityscapes' look as source.

    python tools/train.py configs/style_transfer/agc_b1.py
    python tools/train.py configs/style_transfer/agc_b1.py --world demo

The study got 44.23 mIoU after 110000 iterations (41.02 after 40000), where GTA5 alone got 28.59.
The translated images lie in data/gta5_as_cityscapes/images, under GTA5's names: those published
with Hoffman et al., "CyCADA", ICML 2018, of which there are 22061, or your own
(configs/cyclegan/gta2cityscapes.py and tools/translate.py). The labels are GTA5's. Images of both
are drawn equally often, one by one.

Not yet run here on the real images, which need a GPU; the second command runs it in the
embedded world, within minutes, once its own game is translated.
"""

_base_ = ['./gc_b1.py']

game = dict(type='GTA5', root='data/gta5', pipeline=_base_.cropped_source)
translated = dict(game, root='data/gta5_as_cityscapes', label_root='data/gta5')
train_dataloader = dict(dataset=dict(
    source=dict(_delete_=True, type='MixedDataset', datasets=[game, translated])))
