"""All levels of a feature pyramid brought to one width, and joined."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from daseg.ops.norm import make_norm
from daseg.ops.resize import resize, size_of


class LevelEmbedding(nn.Module):
    """One linear layer for each map, which brings it to a common number of channels.

    Args:
        in_channels: Channels of the maps.
        channels: Channels of what they become.
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, channels) for width in in_channels)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Map (N,C_i,h_i,w_i) to (N,channels,h_i,w_i) each, laid out channels last."""
        pairs = zip(self.layers, features, strict=True)
        return [layer(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) for layer, maps in pairs]


class ConvFusion(nn.Module):
    """The maps, resized to the finest and concatenated, through a 1x1 convolution; norm, ReLU.

    It is computed the other way round: each map goes through its part of the convolution at its own
    size, and the results are resized and added. Both steps are linear and bilinear weights add up
    to 1, so the sum is the same, at less than half of the cost and without the wide map.

    Args:
        levels: Number of maps.
        in_channels: Channels of each.
        channels: Channels of the result.
        norm: See `make_norm`.
        align_corners: How maps are resized.
    """

    def __init__(
        self, levels: int, in_channels: int, channels: int, *, norm: str, align_corners: bool
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(levels * in_channels, channels, 1, bias=False)
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")
        self.norm, self.align_corners = make_norm(norm, channels), align_corners

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Map (N,C,h_i,w_i), fine to coarse, to (N,channels,h_0,w_0)."""
        finest, *coarser = (
            F.conv2d(own, weight)
            for own, weight in zip(maps, self.conv.weight.chunk(len(maps), 1), strict=True)
        )
        for own in coarser:
            finest = finest + resize(own, size_of(finest), self.align_corners)
        return torch.relu(self.norm(finest))


def concatenated(maps: Sequence[Tensor], align_corners: bool) -> Tensor:
    """Maps (N,C_i,h_i,w_i), fine to coarse, resized to the finest and concatenated."""
    return torch.cat([resize(own, size_of(maps[0]), align_corners) for own in maps], 1)


def added_downwards(maps: Sequence[Tensor], align_corners: bool) -> list[Tensor]:
    """Maps (N,C,h_i,w_i), fine to coarse; to each the sum of all coarser ones is added, resized."""
    levels = list(maps)
    for i in range(len(levels) - 2, -1, -1):
        levels[i] = levels[i] + resize(levels[i + 1], size_of(levels[i]), align_corners)
    return levels
