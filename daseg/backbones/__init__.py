"""Networks that turn an image into feature maps, fine to coarse."""

from daseg.backbones.base import Backbone
from daseg.backbones.lite0 import EfficientNetLite0
from daseg.backbones.mit import MiT
from daseg.backbones.pyramid import PyramidBackbone
from daseg.backbones.resnet import ResNet
from daseg.backbones.timm_backbone import TimmBackbone
from daseg.backbones.vgg import VGG16
from daseg.backbones.vit import ViTBackbone

__all__ = [
    "VGG16",
    "Backbone",
    "EfficientNetLite0",
    "MiT",
    "PyramidBackbone",
    "ResNet",
    "TimmBackbone",
    "ViTBackbone",
]
