"""Networks that tell the two domains apart."""

from daseg.discriminators.multiscale import MultiScaleDiscriminator
from daseg.discriminators.patch import FCDiscriminator, PixelDiscriminator
from daseg.discriminators.patchgan import PatchGANDiscriminator

__all__ = [
    "FCDiscriminator",
    "MultiScaleDiscriminator",
    "PatchGANDiscriminator",
    "PixelDiscriminator",
]
