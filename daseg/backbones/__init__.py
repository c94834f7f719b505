"""Networks that turn an image into feature maps, fine to coarse."""

from daseg.backbones.resnet import ResNet
from daseg.backbones.timm_backbone import EfficientNetLite0, TimmBackbone

__all__ = ["EfficientNetLite0", "ResNet", "TimmBackbone"]
