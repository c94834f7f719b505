"""From the look of the source to that of the target."""

from daseg.translation.cyclegan import CycleGAN
from daseg.translation.image_pool import ImagePool

__all__ = ["CycleGAN", "ImagePool"]
