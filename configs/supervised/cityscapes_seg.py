"""Seg-Uncertainty's network supervised on the 2975 labelled images of Cityscapes: an upper bound.

    daseg train supervised/cityscapes_seg

The study's cityscapes_seg: 68.03 mIoU after 20000 iterations (69.12 after 30000). The loss is
assumed to be that of configs/style_transfer/gc_b1.py, for the study does not state it: so it is an
upper bound for the study's adaptations. Left out of the published recipe of Seg-Uncertainty (Zheng
and Yang, IJCAI 2020): scale jitter, the search for a crop of more than 10 classes, and listing the
backbone's weights in the optimizer about three times.
"""

_base_ = ['../_base_/models/seg_uncertainty_r101.py', '../_base_/datasets/cityscapes_640x360.py',
          '../_base_/schedules/seg_uncertainty.py', '../_base_/runtime.py']

model = dict(objectives=[
    dict(type='Supervised', aux_weight=0.5, loss=dict(
        type='BalancedCrossEntropyLoss', num_classes=19, rare_pixels=64 * 64))])
