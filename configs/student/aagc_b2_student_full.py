r"""Student of a labelled teacher, from the usual initial weights, on translated GTA5.

    daseg train student/aagc_b2_student_full

The study's aagc_640x360_b2_student_full: 46.92 mIoU after 40000 iterations (15000: 35.41, 25000:
43.72, 50000: 43.02, 60000: 45.56), where style_transfer/aagc_b2.py, the first stage on translated
GTA5, reaches 44.42. The pseudo-labels, made as aagc_b2_student.py says, are used from the start.
Their teacher was trained on Cityscapes' true labels: this is distillation. The unsupervised
counterpart uses pseudo-labels of aagc_b2 itself:

    daseg pseudo-label style_transfer/aagc_b2 \
        work_dirs/aagc_b2/iter_40000.pth --out data/pseudo_self
    daseg train student/aagc_b2_student_full --work-dir work_dirs/self_full \
        --cfg-options train_dataloader.dataset.pseudo_labels=data/pseudo_self

Assumed are the loss on the pseudo-labels, cross-entropy of all pixels, and its weights, 1 and 0.5
as in Zheng and Yang's second training (IJCV 2021). Length and decay are those of aagc_b2.
"""

_base_ = ['../style_transfer/aagc_b2.py']

model = dict(objectives=[*_base_.model.objectives, dict(type='PseudoLabel', aux_weight=0.5)])
train_dataloader = dict(dataset=dict(pseudo_labels='data/cityscapes_pseudo_labels'))
