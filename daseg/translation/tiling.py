"""Translate an image that does not fit into memory: in overlapping tiles, without seams.

Two things make the tiles of a translator differ from the whole image. Near a tile's border the
network sees padding in the place of pixels; so tiles overlap by the radius of the receptive field,
and only their cores are kept. And instance normalisation (Ulyanov et al., "Instance Normalization:
The Missing Ingredient for Fast Stylization", arXiv 1607.08022, 2016, eq. (4)) takes mean and
variance from all that it is given, and so does group norm, so that each tile would get colours of
its own; here all tiles share the statistics of the image. They are exact: the cores partition the
image, so that sums over the cores are sums over the image, and norm after norm is counted with
those before it known.
"""

import math
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from daseg.translation.shared_norm import Counted, SharedNorms, shared_norms
from daseg.utils.errors import ConfigError

PROBE = 128  # side in pixels of the image that the receptive field is looked for with
NOT_LOCAL = (
    nn.LayerNorm,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.MultiheadAttention,
)


class Span(NamedTuple):
    """A tile along one side: the pixels that the network sees, and those that are kept."""

    start: int
    end: int
    core_start: int
    core_end: int


Tile = tuple[Span, Span]  # rows and columns


class Field(NamedTuple):
    """How far a network looks: ``radius`` in pixels, and its coarsest ``stride``."""

    radius: int
    stride: int


class TiledTranslation:
    """Run a translation in tiles; a drop-in for ``function``.

    Args:
        function: Maps images (N,3,h,w) to images (N,3,h,w), whatever their size.
        network: The network that it runs, whose norms are to share their statistics.
        tile: Side in pixels of the square that the network sees at a time.
        overlap: Pixels at each side of a tile that are seen but not kept. None: the radius of the
            receptive field, as `receptive_field` finds it, where tiles are exact. Less is faster.
        device: Where the tiles go. None: where the image is.

    Attributes:
        passes: How often the last image was gone over before it was translated: once for each time
            that the network normalises, and each time only as far into it. 0 where it is no
            larger than a tile.

    Raises:
        ConfigError: The tile is too small for the overlap, or the network is not local: a layer
            of it that is neither instance nor group norm sees the whole image.
    """

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        network: nn.Module,
        *,
        tile: int,
        overlap: int | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        _check_local(network)
        self.function, self.network = function, network
        self.device = device
        field = receptive_field(function, network, device)
        self.stride = field.stride
        overlap = field.radius if overlap is None else overlap
        # Multiples of the stride: else a strided layer would take other pixels than in the whole.
        self.overlap = field.stride * math.ceil(overlap / field.stride)
        self.tile = field.stride * (tile // field.stride)
        if self.tile <= 2 * self.overlap:
            least = 2 * self.overlap + field.stride
            raise ConfigError(
                f"a tile of {tile} pixels is too small: the network looks {field.radius} pixels "
                f"far, so that {self.overlap} at each side are not kept; it takes at least {least}"
            )
        self.passes = 0

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        """Translate (N,3,H,W); the result is on the image's device."""
        height, width = image.shape[-2:]
        self.passes = 0
        if max(height, width) <= self.tile:
            return self.function(image.to(self.device or image.device)).to(image.device)
        padded = _pad_to(image, self.stride)
        tiles = self._tiles(padded)
        with shared_norms(self.network) as norms:
            self._learn(padded, tiles, norms)
            result = self._assemble(padded, tiles, norms)
        return result[..., :height, :width]

    def _tiles(self, image: Tensor) -> list[Tile]:
        rows, columns = (_spans(side, self.tile, self.overlap) for side in image.shape[-2:])
        return list(product(rows, columns))

    def _learn(self, image: Tensor, tiles: list[Tile], norms: SharedNorms) -> None:
        """Go over the tiles until all norms know the statistics of the whole image."""
        while self._stops(image, tiles[0], norms):
            for tile in tiles[1:]:
                self._stops(image, tile, norms)
            norms.learn()
            self.passes += 1

    def _stops(self, image: Tensor, tile: Tile, norms: SharedNorms) -> bool:
        """Run a tile; whether it came to a norm whose statistics had to be counted first."""
        norms.begin(partial(_core, tile))
        try:
            self._run(image, tile)
        except Counted:
            return True
        return False

    def _assemble(self, image: Tensor, tiles: list[Tile], norms: SharedNorms) -> Tensor:
        """Translate the tiles and put their cores together."""
        whole: Tensor | None = None
        for tile in tiles:
            norms.begin(partial(_core, tile))
            part = self._run(image, tile)
            rows, columns = _core(tile, part.shape[-2], part.shape[-1])
            part = part[..., rows, columns].to(image.device)
            shape = *part.shape[:-2], *image.shape[-2:]
            whole = part.new_empty(shape) if whole is None else whole
            rows, columns = (slice(span.core_start, span.core_end) for span in tile)
            whole[..., rows, columns] = part
        assert whole is not None
        return whole

    def _run(self, image: Tensor, tile: Tile) -> Tensor:
        rows, columns = (slice(span.start, span.end) for span in tile)
        return self.function(image[..., rows, columns].to(self.device or image.device))


def receptive_field(
    function: Callable[[Tensor], Tensor],
    network: nn.Module,
    device: torch.device | str | None = None,
) -> Field:
    """An upper bound of how far a pixel of the result looks, from the layers as they are run.

    Convolutions, transposed ones, pooling and ``nn.Upsample`` count, one after the other; strides
    are powers of two. What a network does without modules is not seen: state the overlap then.
    """
    found: list[tuple[float, float]] = []

    def note(layer: Any, inputs: tuple[Tensor, ...]) -> None:
        # Padding makes a map a little larger than the image divided by the stride.
        step = 2.0 ** round(math.log2(PROBE / inputs[0].shape[-1]))
        found.append((step * _reach(layer), step))

    layers = [m for m in network.modules() if hasattr(m, "kernel_size") or isinstance(m, UPSAMPLE)]
    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    try:
        with torch.no_grad():
            function(torch.zeros(1, 3, PROBE, PROBE, device=device))
    finally:
        for hook in hooks:
            hook.remove()
    radius = sum(reach for reach, _ in found)
    return Field(math.ceil(radius), int(max([1.0, *(step for _, step in found)])))


UPSAMPLE = (nn.Upsample,)


def _reach(layer: Any) -> int:
    """How many pixels of its input a layer looks to either side."""
    if isinstance(layer, UPSAMPLE):
        return 0 if layer.mode == "nearest" else 1
    kernel, dilation = _largest(layer.kernel_size), _largest(getattr(layer, "dilation", 1))
    if isinstance(layer, nn.ConvTranspose2d):
        return math.ceil(dilation * (kernel - 1) / min(layer.stride))
    return math.ceil(dilation * (kernel - 1) / 2)


def _largest(value: int | tuple[int, ...]) -> int:
    return max(value) if isinstance(value, tuple) else value


def _check_local(network: nn.Module) -> None:
    wrong = sorted({type(m).__name__ for m in network.modules() if isinstance(m, NOT_LOCAL)})
    if wrong:
        raise ConfigError(
            f"{type(network).__name__} cannot be run in tiles: its {', '.join(wrong)} sees the "
            "whole image"
        )


def _pad_to(image: Tensor, stride: int) -> Tensor:
    """Mirror the image at its lower and right border, to sides that are multiples."""
    below, right = (-side % stride for side in image.shape[-2:])
    if not below and not right:
        return image
    # Padding knows no integers on some devices.
    return F.pad(image.float(), (0, right, 0, below), mode="reflect")


def _spans(length: int, tile: int, overlap: int) -> list[Span]:
    """Tiles along a side whose cores partition it; at its ends a tile has no overlap."""
    spans: list[Span] = []
    begin = 0
    while begin < length:
        start = min(max(begin - overlap, 0), max(length - tile, 0))
        end = min(start + tile, length)
        core_end = length if end == length else end - overlap
        spans.append(Span(start, end, begin, core_end))
        begin = core_end
    return spans


def _core(tile: Tile, height: int, width: int) -> tuple[slice, slice]:
    """Where the core lies in a map of the tile, which may be coarser than the tile."""
    rows, columns = (
        slice(
            (span.core_start - span.start) * side // (span.end - span.start),
            (span.core_end - span.start) * side // (span.end - span.start),
        )
        for span, side in zip(tile, (height, width), strict=True)
    )
    return rows, columns
