"""The study's aagc_640x360_b2_multiaug: aagc_b2 with AutoAugment on source and on target.

    python tools/train.py configs/augmentation/aagc_b2_multiaug.py
    python tools/train.py configs/augmentation/aagc_b2_multiaug.py --world demo

The study got 42.11 mIoU after 20000 iterations, where aagc_b2 got 44.42 after 40000: there,
AutoAugment did not help. Cubuk et al., "AutoAugment", CVPR 2019; as in the code of Zheng and Yang,
"Rectifying Pseudo Label Learning", IJCV 2021, which the study trained with, it is ImageNet's policy
without what moves the image, on the resized image, before the crop. The decay ends with the
training, as in gc_b1.

Not yet run here on the real images, which need a GPU; the second command runs it in the
embedded world, within minutes, once its own game is translated.
"""

_base_ = ['../style_transfer/aagc_b2.py']

colours = dict(type='AutoAugment', policy='imagenet', geometric=False)
augmented_source = [*_base_.cropped_source[:3], colours, *_base_.cropped_source[3:]]
augmented_target = [*_base_.cropped_target[:2], colours, *_base_.cropped_target[2:]]
train_dataloader = dict(dataset=dict(
    source=dict(pipeline=augmented_source), target=dict(pipeline=augmented_target)))
train_cfg = dict(max_iters=20000)
