"""The study's aagc_640x360_b2: gc_b1 with GTA5's translation to Cityscapes' look alone as source.

    python tools/train.py configs/style_transfer/aagc_b2.py
    python tools/train.py configs/style_transfer/aagc_b2.py --world demo

The study got 44.42 mIoU after 40000 iterations, where GTA5 itself got 28.59. The translated images
lie in data/gta5_as_cityscapes/images, under GTA5's names: those published with Hoffman et al.,
"CyCADA", ICML 2018, of which there are 22061, or your own (configs/cyclegan/gta2cityscapes.py and
tools/translate.py). The labels are GTA5's. The decay ends with the training, as in gc_b1.

Not yet run here on the real images, which need a GPU; the second command runs it in the
embedded world, within minutes, once its own game is translated.
"""

_base_ = ['./gc_b1.py']

translated = dict(root='data/gta5_as_cityscapes', label_root='data/gta5')
train_dataloader = dict(batch_size=2, dataset=dict(source=translated))
train_cfg = dict(max_iters=40000)
