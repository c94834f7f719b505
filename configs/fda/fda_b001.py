"""FDA with beta 0.01, before its self-training: GTA5 to Cityscapes.

    daseg train fda/fda_b001

Yang and Soatto, "FDA: Fourier Domain Adaptation for Semantic Segmentation", CVPR 2020. Each source
image takes on the low frequencies of a target image. The robust entropy of target predictions is
minimised from the first iteration on, as in the public README's command (the default of the public
option, switch2entropy, is 50000). One head sums four branches. The polynomial decay would end
after 150000 iterations; the public code stops after 100000. It tests at 1344x576.

Differences from the public code: the entropy is measured at the image's resolution, not the
head's, and the translator's window is symmetric. Assumed: the initial weights are AdaptSegNet's.

The README reports 50.45 mIoU for the mean of the published networks of beta 0.01, 0.05 and 0.09
(docs/evaluate.md: how to test such a mean). It does not say after how much self-training.
"""

_base_ = ['../_base_/models/adaptsegnet_r101.py',
          '../_base_/datasets/gta5_to_cityscapes_pair_fda.py',
          '../_base_/schedules/sgd_poly.py', '../_base_/runtime.py']

model = dict(
    segmentor=dict(head=dict(branches=4), aux_head=None),
    objectives=[
        dict(type='Supervised'),
        dict(type='EntropyMinimization', weight=0.005,
             loss=dict(type='RobustEntropyLoss', eta=2.0))])
train_dataloader = dict(dataset=dict(translator=dict(type='FourierTranslator', beta=0.01)))
train_cfg = dict(max_iters=100000, val_interval=5000)
param_scheduler = [dict(type='PolyDecay', end=150000)]
