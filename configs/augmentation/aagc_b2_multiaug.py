"""Seg-Uncertainty's first stage on translated GTA5, with AutoAugment on both domains.

    daseg train augmentation/aagc_b2_multiaug

The study's aagc_640x360_b2_multiaug: 42.11 mIoU after 20000 iterations, where
style_transfer/aagc_b2.py reaches 44.42 after 40000; AutoAugment did not help. Cubuk et al.,
"AutoAugment", CVPR 2019. As in the code of Zheng and Yang, "Rectifying Pseudo Label Learning",
IJCV 2021, which the study used, the policy is ImageNet's without the operations that move the
image, applied to the resized image before the crop. The decay ends with the training, as in gc_b1.
"""

_base_ = ['../style_transfer/aagc_b2.py']

colours = dict(type='AutoAugment', policy='imagenet', geometric=False)
augmented_source = [*_base_.cropped_source[:3], colours, *_base_.cropped_source[3:]]
augmented_target = [*_base_.cropped_target[:2], colours, *_base_.cropped_target[2:]]
train_dataloader = dict(dataset=dict(
    source=dict(pipeline=augmented_source), target=dict(pipeline=augmented_target)))
train_cfg = dict(max_iters=20000)
