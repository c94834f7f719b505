"""Student of a labelled teacher (aagc_b2_student_full), with AutoAugment on both domains.

    daseg train student/aagc_b2_student_full_autoaug

The study's aagc_640x360_b2_student_full_autoaug: 42.43 mIoU after 40000 iterations (45000: 41.71),
where aagc_b2_student_full reaches 46.92; AutoAugment did not help. It is that of
configs/augmentation/aagc_b2_multiaug.py, which moves no pixel, so that pseudo-labels still fit
their images. Teacher, assumptions and the unsupervised counterpart are those of
aagc_b2_student_full.py: this is distillation from a labelled teacher.
"""

_base_ = ['../style_transfer/aagc_b2.py']

colours = dict(type='AutoAugment', policy='imagenet', geometric=False)
augmented_source = [*_base_.cropped_source[:3], colours, *_base_.cropped_source[3:]]
augmented_target = [*_base_.cropped_target[:2], colours, *_base_.cropped_target[2:]]
model = dict(objectives=[*_base_.model.objectives, dict(type='PseudoLabel', aux_weight=0.5)])
train_dataloader = dict(dataset=dict(
    source=dict(pipeline=augmented_source), target=dict(pipeline=augmented_target),
    pseudo_labels='data/cityscapes_pseudo_labels'))
