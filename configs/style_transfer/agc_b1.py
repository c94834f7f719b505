"""Seg-Uncertainty's first stage on GTA5 and its translation into the look of Cityscapes (agc).

    daseg train style_transfer/agc_b1

The study's agc_640x360_b1: 44.23 mIoU after 110000 iterations (41.02 after 40000), where GTA5
alone gives 28.59. The translated images are in data/gta5_as_cityscapes/images, under GTA5's names:
those published with Hoffman et al., "CyCADA", ICML 2018, of which there are 22061, or your own
(configs/cyclegan/gta2cityscapes.py and `daseg translate`). The labels are GTA5's. Each sample is
drawn from either set with equal probability.
"""

_base_ = ['./gc_b1.py']

game = dict(type='GTA5', root='data/gta5', pipeline=_base_.cropped_source)
translated = dict(game, root='data/gta5_as_cityscapes', label_root='data/gta5')
train_dataloader = dict(dataset=dict(
    source=dict(_delete_=True, type='MixedDataset', datasets=[game, translated])))
