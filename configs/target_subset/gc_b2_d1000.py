"""Seg-Uncertainty's first stage on GTA5 (gc_b1) with 1000 of the target's 2975 images.

    daseg train target_subset/gc_b2_d1000

The study's gc_640x360_b2_d1000, in batches of 2: 34.18 mIoU after 10000 iterations; with all
images, in batches of 1, 28.59 after 110000. The decay ends with the training, as in gc_b1. Memory
regularisation, which starts at iteration 15000, has no effect in so short a training.

Which 1000 images the study used is not known. Here the subsets of one seed are nested, and
`train_images_target.txt` in the work dir lists them. A small world takes a subset in proportion:
101 of its 300 images.
"""

_base_ = ['../style_transfer/gc_b1.py']

train_dataloader = dict(batch_size=2, dataset=dict(target=dict(num_samples=1000, subset_seed=0)))
train_cfg = dict(max_iters=10000)
