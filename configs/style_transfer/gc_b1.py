"""Seg-Uncertainty's first stage (MRNet), GTA5 to Cityscapes (gc).

    daseg train style_transfer/gc_b1

The study's gc_640x360_b1: 28.59 mIoU after 110000 iterations (assumed: where its decay ends; the
published one ends at 100000). Zheng and Yang, "Unsupervised Scene Adaptation with Memory
Regularization in vivo", IJCAI 2020, report 45.5 with crops of 1024x512, batch 2, stopped at 25000.
As in their code: classes are weighted by batch and by rarity, only the hardest fifth of the pixels
counts, memory regularisation starts at iteration 15000, and the adversarial weights are 0.0002 and
0.001 times the 2 that their generator's loss has.
"""

_base_ = ['../_base_/models/seg_uncertainty_r101.py',
          '../_base_/datasets/gta5_to_cityscapes_pair_640x360.py',
          '../_base_/schedules/seg_uncertainty_adversarial.py', '../_base_/runtime.py']

against = dict(
    type='OutputAdversarial', source_map='mean', disc_weight=1.0, gradient_penalty=0.01,
    discriminator=dict(type='MultiScaleDiscriminator'), loss=dict(type='LSGANLoss'))
model = dict(objectives=[
    dict(type='Supervised', aux_weight=0.5, loss=dict(
        type='BalancedCrossEntropyLoss', num_classes=19, rare_pixels=64 * 64)),
    dict(against, level='aux', weight=0.0004),
    dict(against, level='main', weight=0.002),
    dict(type='MemoryRegularization', weight=0.1, begin=15000)])
train_cfg = dict(max_iters=110000)
