"""Student of a labelled teacher (aagc_b2_student), with AutoAugment on the source.

    daseg train student/aagc_b2_student_autoaug

The study's aagc_640x360_b2_student_autoaug: 45.16 mIoU after 25000 iterations, where
aagc_b2_student reaches 46.42 after 20000; AutoAugment, that of
configs/augmentation/aagc_b2_multiaug.py, did not help. As in aagc_b2_student.py, which says how to
make the pseudo-labels, what is assumed and what the unsupervised counterpart is, this is
distillation from a labelled teacher.
"""

_base_ = ['../style_transfer/aagc_b2.py']

colours = dict(type='AutoAugment', policy='imagenet', geometric=False)
augmented_source = [*_base_.cropped_source[:3], colours, *_base_.cropped_source[3:]]
model = dict(objectives=[*_base_.model.objectives, dict(type='PseudoLabel', aux_weight=0.5)])
train_dataloader = dict(dataset=dict(
    source=dict(pipeline=augmented_source), pseudo_labels='data/cityscapes_pseudo_labels'))
load_from = 'work_dirs/aagc_b2/iter_40000.pth'
train_cfg = dict(max_iters=25000)
