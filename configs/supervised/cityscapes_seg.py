"""The study's segmentation network alone, supervised on the 2975 labelled images of Cityscapes.

    python tools/train.py configs/supervised/cityscapes_seg.py

The study got 68.03 mIoU after 20000 iterations (69.12 after 30000). Not yet run here: it needs
Cityscapes and a GPU.

The loss is that of configs/style_transfer/gc_b1.py, which the study's adaptations have, so that it is
their ceiling; assumed, for the study does not state it. Of Seg-Uncertainty's published recipe
(Zheng & Yang, IJCAI 2020) this leaves out: jitter of scale, the search for a crop of more than 10
classes, and the backbone's weights being given to the optimizer about three times.
"""

_base_ = ['../_base_/models/seg_uncertainty_r101.py', '../_base_/datasets/cityscapes_640x360.py',
          '../_base_/schedules/seg_uncertainty.py', '../_base_/runtime.py']

model = dict(objectives=[
    dict(type='Supervised', aux_weight=0.5, loss=dict(
        type='BalancedCrossEntropyLoss', num_classes=19, rare_pixels=64 * 64))])
