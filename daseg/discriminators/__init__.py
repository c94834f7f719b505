"""Networks that tell the two domains apart."""

from daseg.discriminators.multiscale import MultiScaleDiscriminator
from daseg.discriminators.patch import FCDiscriminator, PixelDiscriminator

__all__ = ["FCDiscriminator", "MultiScaleDiscriminator", "PixelDiscriminator"]
