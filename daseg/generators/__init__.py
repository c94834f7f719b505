"""Networks that turn an image into an image."""

from daseg.generators.resnet import ResNetGenerator

__all__ = ["ResNetGenerator"]
