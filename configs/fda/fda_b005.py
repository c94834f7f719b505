"""FDA with beta 0.05, before its self-training: GTA5 to Cityscapes.

    daseg train fda/fda_b005

As fda_b001.py, with a larger window of frequencies that are swapped.
"""

_base_ = ['fda_b001.py']

train_dataloader = dict(dataset=dict(translator=dict(beta=0.05)))
