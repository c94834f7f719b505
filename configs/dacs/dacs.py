"""DACS: source classes pasted onto target images that a teacher labels. GTA5 to Cityscapes.

    daseg train dacs/dacs

Tranheden et al., "DACS: Domain Adaptation via Cross-domain Mixed Sampling", WACV 2021, with the
values of the public code: batches of 2 and 2 crops of 512x512, 250000 iterations, one head
(AdaptSegNet's, which sums two branches), a teacher of momentum 0.01. Its README says of the
published network that it "peaked at 53.66 mIoU and ended at 53.04 mIoU".

Differences from it, beside those named in `ClassMix`: the initial weights are AdaptSegNet's file
(ImageNet and MSCOCO), not the one that the public code loads; the teacher is tested, at full-size
labels.
"""

_base_ = ['../_base_/models/adaptsegnet_r101.py',
          '../_base_/datasets/gta5_to_cityscapes_pair_512.py',
          '../_base_/schedules/sgd_poly.py', '../_base_/runtime.py']

model = dict(
    segmentor=dict(aux_head=None),
    objectives=[dict(type='Supervised'), dict(type='ClassMix', confidence=0.968)],
    teacher_momentum=0.01)
train_cfg = dict(max_iters=250000, val_interval=5000)
