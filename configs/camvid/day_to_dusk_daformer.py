"""From day to dusk on CamVid's photographs at full size: DAFormer's training on a small network.

    daseg train camvid/day_to_dusk_source_only
    daseg train camvid/day_to_dusk_daformer
    daseg test camvid/day_to_dusk_daformer work_dirs/day_to_dusk_daformer/iter_225.pth

Hoyer et al., "DAFormer", CVPR 2022. As `day_to_dusk.py`, where rare classes are drawn more often
already, and with the feature distance: what is seen of things stays near the features that ImageNet
taught.
"""

_base_ = ['./day_to_dusk.py']

feature_distance = dict(
    type='FeatureDistance', backbone=_base_.model.segmentor.backbone, weight=0.005,
    classes=['sign', 'car', 'pedestrian', 'bicyclist'])
class_mix = dict(type='ClassMix', loss='supervised')
model = dict(objectives=[_base_.fit_labels, feature_distance, class_mix])
