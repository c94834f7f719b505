r"""DeepLab v3+ on ResNet-101, supervised on Cityscapes: the teacher of the study's students.

    tools/dist_train.sh configs/deeplabv3plus/deeplabv3plus_r101_cityscapes.py 4
    daseg convert segmentron deeplabv3_plus_resnet101_segmentron.pth \
        data/weights/segmentron.pth --config deeplabv3plus/deeplabv3plus_r101_cityscapes
    daseg test deeplabv3plus/deeplabv3plus_r101_cityscapes \
        data/weights/segmentron.pth

Chen et al., ECCV 2018, in SegmenTron's variant and training: 400 epochs of 2975 images in batches
of 16. Its published weights reach 78.27 mIoU on the validation images, padded by one pixel to
1025x2049.
"""

_base_ = ['../_base_/models/deeplabv3plus_r101.py', '../_base_/datasets/cityscapes.py',
          '../_base_/schedules/sgd_poly.py', '../_base_/runtime.py']

model = dict(segmentor=dict(inference=dict(type='WholeInference', pad_stride=16)))
sync_bn = True  # each GPU sees four images only
train_cfg = dict(max_iters=74375)  # 400 epochs at 4 GPUs x batch 4
optim_wrapper = dict(segmentor=dict(optimizer=dict(lr=0.02, weight_decay=1e-4)))
