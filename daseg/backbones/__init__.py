"""Networks that turn an image into feature maps, fine to coarse."""

from daseg.backbones.resnet import ResNet
from daseg.backbones.timm_backbone import EfficientNetLite0, TimmBackbone
from daseg.backbones.vgg import VGG16

__all__ = ["VGG16", "EfficientNetLite0", "ResNet", "TimmBackbone"]
