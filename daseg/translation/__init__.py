"""From the look of the source to that of the target."""

from daseg.translation.base import Translator
from daseg.translation.color import HistogramTranslator, ReinhardTranslator
from daseg.translation.cyclegan import CycleGAN
from daseg.translation.fourier import FourierTranslator
from daseg.translation.identity import IdentityTranslator
from daseg.translation.image_pool import ImagePool
from daseg.translation.tiling import TiledTranslation

__all__ = [
    "CycleGAN",
    "FourierTranslator",
    "HistogramTranslator",
    "IdentityTranslator",
    "ImagePool",
    "ReinhardTranslator",
    "TiledTranslation",
    "Translator",
]
