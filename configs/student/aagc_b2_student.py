r"""Student of a labelled teacher: pseudo-labels added to the first stage on translated GTA5.

    daseg pseudo-label deeplabv3plus/deeplabv3plus_r101_cityscapes \
        data/weights/segmentron.pth --out data/cityscapes_pseudo_labels
    daseg train student/aagc_b2_student

The study's aagc_640x360_b2_student: 46.42 mIoU after 20000 iterations from the best checkpoint of
style_transfer/aagc_b2.py (44.42); here from its last. Hard pseudo-labels of Cityscapes' training
images are added to the objectives of aagc_b2. Their teacher, DeepLab v3+, was trained on
Cityscapes' true labels: this is distillation from a labelled teacher, not unsupervised adaptation.
(For converted weights the report says that it is not known.) The unsupervised counterpart uses
pseudo-labels of aagc_b2:

    daseg pseudo-label style_transfer/aagc_b2 \
        work_dirs/aagc_b2/iter_40000.pth --out data/pseudo_self
    daseg train student/aagc_b2_student --work-dir work_dirs/self_student \
        --cfg-options train_dataloader.dataset.pseudo_labels=data/pseudo_self

Assumed are the loss on the pseudo-labels, cross-entropy of all pixels, its weights, 1 and 0.5 as
in Zheng and Yang's second training (IJCV 2021), and that warm-up and decay start again.
"""

_base_ = ['../style_transfer/aagc_b2.py']

model = dict(objectives=[*_base_.model.objectives, dict(type='PseudoLabel', aux_weight=0.5)])
train_dataloader = dict(dataset=dict(pseudo_labels='data/cityscapes_pseudo_labels'))
load_from = 'work_dirs/aagc_b2/iter_40000.pth'
train_cfg = dict(max_iters=20000)
