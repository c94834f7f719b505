"""The study's aagc_640x360_b2_student_autoaug: aagc_b2_student with AutoAugment on the source.

    python tools/train.py configs/student/aagc_b2_student_autoaug.py
    python tools/train.py configs/student/aagc_b2_student_autoaug.py --world demo

The study got 45.16 mIoU after 25000 iterations, where aagc_b2_student got 46.42 after 20000: there,
AutoAugment did not help. It is that of configs/augmentation/aagc_b2_multiaug.py. As in
aagc_b2_student, which says how to make the pseudo-labels, the teacher was trained on Cityscapes'
true labels, and this is distillation from it; what is unsupervised, and what is assumed, stands
there, too.

Not yet run here on the real images, which need a GPU; in the embedded world it takes minutes, once
its own game is translated, its aagc_b2 trained and its city labelled.
"""

_base_ = ['../style_transfer/aagc_b2.py']

colours = dict(type='AutoAugment', policy='imagenet', geometric=False)
augmented_source = [*_base_.cropped_source[:3], colours, *_base_.cropped_source[3:]]
model = dict(objectives=[*_base_.model.objectives, dict(type='PseudoLabel', aux_weight=0.5)])
train_dataloader = dict(dataset=dict(
    source=dict(pipeline=augmented_source), pseudo_labels='data/cityscapes_pseudo_labels'))
load_from = 'work_dirs/aagc_b2/iter_40000.pth'
train_cfg = dict(max_iters=25000)
