"""Seg-Uncertainty's network supervised on 500 labelled images of Cityscapes.

    daseg train supervised/cityscapes_seg_d500

The study's cityscapes_seg_d500: 55.35 mIoU. The subsets of one seed are nested; the list of the
chosen images is written to the work dir.
"""

_base_ = ['./cityscapes_seg.py']

train_dataloader = dict(dataset=dict(num_samples=500, subset_seed=0))
