"""Translate an image that does not fit into memory: in overlapping tiles with blended seams."""

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

from daseg.utils.errors import ConfigError

STRIDE = 16  # tiles begin at multiples: a strided layer takes the pixels that it takes in the whole


class TiledTranslation:
    """Run a translation in overlapping tiles; where they overlap, one fades into the next.

    A tile weighs less towards its sides, linearly over ``overlap`` pixels, so that there are no
    seams. The result is close to that of the whole image, not equal: near its sides a tile is
    padded, and instance norm (Ulyanov et al., arXiv 1607.08022, 2016, eq. (4)) takes mean and
    variance from the tile alone.

    Args:
        function: Maps images (N,3,h,w) to images (N,3,h,w), whatever their size.
        tile: Side in pixels of the square that the network sees at a time, at least 64; it is
            rounded down to a multiple of 16.
        overlap: Pixels that neighbours share at least, rounded likewise; None: a quarter of a tile.
        device: Where the tiles go. None: where the image is.

    Raises:
        ConfigError: The tile is too small, or the overlap is not from 16 to half a tile.
    """

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        *,
        tile: int,
        overlap: int | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        self.function, self.device = function, device
        self.tile = tile // STRIDE * STRIDE
        self.overlap = (self.tile // 4 if overlap is None else overlap) // STRIDE * STRIDE
        if self.tile < 4 * STRIDE or not STRIDE <= self.overlap <= self.tile // 2:
            raise ConfigError(
                f"tiles of {tile} pixels with an overlap of {overlap or self.overlap}: a tile has "
                f"at least {4 * STRIDE} pixels, the overlap at least {STRIDE} and at most half a "
                "tile"
            )

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        """Translate (N,3,H,W) to float (N,3,H,W), on the image's device."""
        height, width = image.shape[-2:]
        result = torch.zeros_like(image, dtype=torch.float32)
        total = result.new_zeros(height, width)
        for top, left in product(self._starts(height), self._starts(width)):
            place = ..., slice(top, top + self.tile), slice(left, left + self.tile)
            part = self.function(image[place].to(self.device or image.device)).to(result)
            ramps = []  # the weight of each pixel along a side, above 0 to 1
            for side in part.shape[-2:]:
                rising = ((torch.arange(side) + 0.5) / self.overlap).clamp(max=1)
                ramps.append(torch.minimum(rising, rising.flip(0)).to(result))
            weight = ramps[0][:, None] * ramps[1]
            result[place] += weight * part
            total[place] += weight
        return result / total

    def _starts(self, length: int) -> list[int]:
        """Where tiles begin along a side, spread evenly; the last one may reach over the end."""
        last = -(-max(length - self.tile, 0) // STRIDE)
        count = -(-last // ((self.tile - self.overlap) // STRIDE))
        return [*(STRIDE * (i * last // count) for i in range(count)), STRIDE * last]
