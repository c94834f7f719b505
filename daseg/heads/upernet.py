"""The head of UPerNet: a feature pyramid below the pooling pyramid of the coarsest map."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from daseg.heads.aspp import ImagePooling
from daseg.heads.levels import added_downwards, concatenated
from daseg.ops.layers import classifier, conv_norm_relu
from daseg.ops.resize import resize, size_of
from daseg.registry import HEADS
from daseg.utils.errors import ConfigError


class PyramidPooling(nn.Module):
    """A map beside its means over grids of several sizes, fused by a 3x3 convolution.

    Zhao et al., "Pyramid Scene Parsing Network", CVPR 2017, section 3.2.

    Args:
        in_channels: Channels of the input.
        channels: Channels of each branch, and of the output.
        scales: Cells of each grid, along each side.
        norm: See `make_norm`.
        pool_norm: Whether the mean of the whole map, the grid of one cell, has the norm as well.
        align_corners: How the branches are resized.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        scales: Sequence[int],
        norm: str,
        pool_norm: bool,
        align_corners: bool,
    ) -> None:
        super().__init__()
        self.scales, self.align_corners = tuple(scales), align_corners
        self.branches = nn.ModuleList(
            ImagePooling(in_channels, channels, norm=norm if pool_norm else None)
            if cells == 1
            else conv_norm_relu(in_channels, channels, norm=norm)
            for cells in scales
        )
        self.project = conv_norm_relu(in_channels + len(scales) * channels, channels, 3, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, channels, h, w)."""
        maps = [x]
        for cells, branch in zip(self.scales, self.branches, strict=True):
            if cells == 1:
                maps.append(branch(x))
            else:
                maps.append(resize(branch(grid_means(x, cells)), size_of(x), self.align_corners))
        return self.project(torch.cat(maps, 1))


def grid_means(x: Tensor, cells: int) -> Tensor:
    """The means (N,C,cells,cells) of a map (N,C,h,w) over a grid, as torch's adaptive pooling.

    As two matrix products: the gradient of that pooling depends on the order of sums on a GPU, and
    torch refuses it where a run is to be exact. Without autocast: the shares of pixels in 16 bits
    do not sum up to 1.
    """
    with torch.autocast(x.device.type, enabled=False):
        full = x.to(torch.promote_types(x.dtype, torch.float32))
        rows, columns = (_shares(side, cells, full) for side in size_of(x))
        return (rows @ full @ columns.T).to(x.dtype)


def _shares(side: int, cells: int, like: Tensor) -> Tensor:
    """What each of ``side`` pixels counts in the mean of each cell, (cells, side)."""
    place = torch.arange(side, device=like.device)
    cell = torch.arange(cells, device=like.device)[:, None]
    inside = (place >= cell * side // cells) & (place < -(-(cell + 1) * side // cells))
    return inside.to(like.dtype) / inside.sum(1, keepdim=True)


@HEADS.register_module()
class UPerHead(nn.Module):
    """Coarse maps added to finer ones, the coarsest after pooling it over grids; all joined.

    Xiao et al., "Unified Perceptual Parsing for Scene Understanding", ECCV 2018, section 3.1, as in
    mmsegmentation: each map through a 1x1 convolution, the coarsest through `PyramidPooling`; sums
    from coarse to fine; a 3x3 convolution on each level but the coarsest; all of them concatenated
    at the finest's size and fused by a 3x3 convolution. In DAFormer's study of decoders (Hoyer et
    al., CVPR 2022, table 7) it has 512 and 256 channels.

    Args:
        in_channels: Channels of the backbone's maps, fine to coarse.
        num_classes: Number of classes K.
        channels: Channels of each level and of the result.
        pool_scales: Cells along each side of the grids that the coarsest map is pooled over.
        norm: See `make_norm`.
        pool_norm: Whether the mean of the whole map has the norm as well; with batch norm and
            training on batches of one image it must not.
        dropout: Probability that a channel is dropped before the classifier, in training.
        align_corners: How maps are resized.

    Raises:
        ConfigError: ``pool_scales`` are not whole numbers of at least 1.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        *,
        channels: int = 512,
        pool_scales: Sequence[int] = (1, 2, 3, 6),
        norm: str = "bn",
        pool_norm: bool = True,
        dropout: float = 0.1,
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        whole = all(isinstance(cells, int) for cells in pool_scales)
        if not (pool_scales and whole and min(pool_scales) >= 1):
            raise ConfigError(
                f"UPerHead: pool_scales are whole numbers of at least 1, not {tuple(pool_scales)}"
            )
        self.align_corners = align_corners
        *finer, coarsest = in_channels
        self.lateral = nn.ModuleList(conv_norm_relu(width, channels, norm=norm) for width in finer)
        self.pooling = PyramidPooling(
            coarsest,
            channels,
            scales=pool_scales,
            norm=norm,
            pool_norm=pool_norm,
            align_corners=align_corners,
        )
        self.smooth = nn.ModuleList(conv_norm_relu(channels, channels, 3, norm=norm) for _ in finer)
        self.fuse = conv_norm_relu(len(in_channels) * channels, channels, 3, norm=norm)
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = classifier(channels, num_classes)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Map the backbone's features to logits (N, K, h, w), at the size of the finest map."""
        *finer, coarsest = features
        levels = [conv(maps) for conv, maps in zip(self.lateral, finer, strict=True)]
        *sums, pooled = added_downwards([*levels, self.pooling(coarsest)], self.align_corners)
        levels = [conv(maps) for conv, maps in zip(self.smooth, sums, strict=True)]
        joined = self.fuse(concatenated([*levels, pooled], self.align_corners))
        return self.classifier(self.dropout(joined))
