"""Self-training in rounds on translated GTA5: the network labels the target as it learns.

    daseg train student/aagc_b2_online

Zou et al., "Unsupervised Domain Adaptation for Semantic Segmentation via Class-Balanced
Self-Training", ECCV 2018, alternate between labelling the target and training on these labels.
Here the network labels the training images of Cityscapes at the start and after every 5000 of
20000 iterations, and trains on these labels beside its other objectives. Kept are the more
confident half of each class's pixels, and all pixels above a confidence of 0.9 (Li et al.,
"Bidirectional Learning", CVPR 2019, in its code). No label of Cityscapes is opened: this is
unsupervised.

There is no published number. It starts from the last checkpoint of style_transfer/aagc_b2.py, the
first stage on translated GTA5, and has the length, schedule and weights of aagc_b2_student: the
two differ only in whose pseudo-labels they use.
"""

_base_ = ['../style_transfer/aagc_b2.py']

model = dict(objectives=[*_base_.model.objectives, dict(type='PseudoLabel', aux_weight=0.5)])
custom_hooks = [*_base_.custom_hooks, dict(
    type='PseudoLabelHook', at_start=True, interval=5000, threshold=dict(kind='class-balanced'))]
load_from = 'work_dirs/aagc_b2/iter_40000.pth'
train_cfg = dict(max_iters=20000)
