"""Seg-Uncertainty's first stage on GTA5 translated into the look of Cityscapes (aagc).

    daseg train style_transfer/aagc_b2

The study's aagc_640x360_b2: the source is the translation alone; 44.42 mIoU after 40000
iterations, where GTA5 itself gives 28.59. The translated images are in
data/gta5_as_cityscapes/images, under GTA5's names: those published with Hoffman et al., "CyCADA",
ICML 2018, of which there are 22061, or your own (configs/cyclegan/gta2cityscapes.py and
`daseg translate`). The labels are GTA5's. The decay ends with the training, as in gc_b1.
"""

_base_ = ['./gc_b1.py']

translated = dict(root='data/gta5_as_cityscapes', label_root='data/gta5')
train_dataloader = dict(batch_size=2, dataset=dict(source=translated))
train_cfg = dict(max_iters=40000)
