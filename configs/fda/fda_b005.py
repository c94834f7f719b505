"""FDA with beta 0.05, before its self-training: GTA5 to Cityscapes.

    python tools/train.py configs/fda/fda_b005.py
    python tools/train.py configs/fda/fda_b005.py --world demo

As fda_b001.py, but for the size of the window of frequencies that are swapped.

Not yet run here on the real images, which need a GPU; the second command runs it in the
embedded world, within minutes.
"""

_base_ = ['fda_b001.py']

train_dataloader = dict(dataset=dict(translator=dict(beta=0.05)))
