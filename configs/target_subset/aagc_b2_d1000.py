"""Seg-Uncertainty's first stage on translated GTA5 (aagc_b2) with 1000 of the target's 2975
images.

    daseg train target_subset/aagc_b2_d1000

The study's aagc_640x360_b2_d1000: 41.16 mIoU after 20000 iterations; with all images 44.42 after
40000. The decay ends with the training, as in gc_b1.

Which 1000 images the study used is not known. Here the subsets of one seed are nested, and
`train_images_target.txt` in the work dir lists them. A small world takes a subset in proportion:
101 of its 300 images.
"""

_base_ = ['../style_transfer/aagc_b2.py']

train_dataloader = dict(dataset=dict(target=dict(num_samples=1000, subset_seed=0)))
train_cfg = dict(max_iters=20000)
