"""Seg-Uncertainty's network supervised on 100 labelled images of Cityscapes.

    daseg train supervised/cityscapes_seg_d100

The study's cityscapes_seg_d100: 40.5 mIoU. The subsets of one seed are nested; the list of the
chosen images is written to the work dir.
"""

_base_ = ['./cityscapes_seg.py']

train_dataloader = dict(dataset=dict(num_samples=100, subset_seed=0))
