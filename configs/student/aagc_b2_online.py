"""Self-training in rounds: aagc_b2 continued on its own pseudo-labels, made anew as it learns.

    python tools/train.py configs/student/aagc_b2_online.py
    python tools/train.py configs/student/aagc_b2_online.py --world demo

Zou et al., "Unsupervised Domain Adaptation for Semantic Segmentation via Class-Balanced
Self-Training", ECCV 2018, alternate between labelling the target and training on these labels. Here
the network labels Cityscapes' training images at the start and after every 5000 of 20000
iterations, and beside what aagc_b2 learns it learns those labels. It keeps the surer half of each
class's pixels, and all that are surer than 0.9 (Li et al., "Bidirectional Learning", CVPR 2019, in
its code). No label of Cityscapes is opened by anybody: this is unsupervised.

There is no published number for it. It starts from the last checkpoint of aagc_b2, as
aagc_b2_student does, and has its length, schedule and weights, so that the two differ in whose
pseudo-labels they learn alone.

Not yet run here on the real images, which need a GPU; the second command runs it in the
embedded world, within minutes, once its own game is translated and its aagc_b2 trained.
"""

_base_ = ['../style_transfer/aagc_b2.py']

model = dict(objectives=[*_base_.model.objectives, dict(type='PseudoLabel', aux_weight=0.5)])
custom_hooks = [*_base_.custom_hooks, dict(
    type='PseudoLabelHook', at_start=True, interval=5000, threshold=dict(kind='class-balanced'))]
load_from = 'work_dirs/aagc_b2/iter_40000.pth'
train_cfg = dict(max_iters=20000)
