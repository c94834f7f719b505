"""Attention over a whole map, in two sparse steps."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from daseg.ops.layers import conv_norm_relu
from daseg.ops.resize import Size, size_of


class GroupAttention(nn.Module):
    """Attention of one head among the pixels of each group of a map.

    Query and key have a norm and ReLU, the value a bias alone, the result a convolution with norm
    and ReLU; there is no shortcut.

    Args:
        channels: Channels of the map, the attention and the result.
        block: The map is cut into blocks of so many pixels along each side.
        long_range: A group is the pixels at the same place of all blocks; else those of a block.
        norm: See `make_norm`.
    """

    def __init__(self, channels: int, *, block: int, long_range: bool, norm: str) -> None:
        super().__init__()
        self.block, self.long_range = block, long_range
        self.query = conv_norm_relu(channels, channels, norm=norm)
        self.key = conv_norm_relu(channels, channels, norm=norm)
        self.value = nn.Conv2d(channels, channels, 1)
        self.project = conv_norm_relu(channels, channels, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N,channels,h,w) to the same."""
        size = size_of(x)
        query, key, value = (self.grouped(layer(x)) for layer in (self.query, self.key, self.value))
        seen = F.scaled_dot_product_attention(query, key, value, self.visible(size, x.device))
        joined: Tensor = self.project(self.joined(seen, size))
        return joined

    def grouped(self, maps: Tensor) -> Tensor:
        """Maps (N,C,h,w) as groups (N,G,P,C) of P pixels each; blocks that stand out have zeros."""
        down, across = (-(-side // self.block) for side in size_of(maps))
        bottom = down * self.block - maps.shape[2]
        right = across * self.block - maps.shape[3]
        cut = F.pad(maps, (0, right, 0, bottom)).unflatten(3, (across, -1))
        cut = cut.unflatten(2, (down, -1))  # N, C, blocks down, rows, blocks across, columns
        order = (0, 3, 5, 2, 4, 1) if self.long_range else (0, 2, 4, 3, 5, 1)
        return cut.permute(order).flatten(3, 4).flatten(1, 2)

    def joined(self, groups: Tensor, size: Size) -> Tensor:
        """The reverse of `grouped`."""
        blocks = [-(-side // self.block) for side in size]
        inside = [self.block, self.block]
        first, second = (inside, blocks) if self.long_range else (blocks, inside)
        cut = groups.unflatten(1, first).unflatten(3, second)
        order = (0, 5, 3, 1, 4, 2) if self.long_range else (0, 5, 1, 3, 2, 4)
        whole = cut.permute(order).flatten(4, 5).flatten(2, 3)
        return whole[..., : size[0], : size[1]]

    def visible(self, size: Size, device: torch.device) -> Tensor | None:
        """Which pixels of each group are of a map of ``size``, (1,G,1,P); None for all.

        A group that has none may see itself, for the softmax of nothing is not a number.
        """
        if not (size[0] % self.block or size[1] % self.block):
            return None
        inside = self.grouped(torch.ones(1, 1, *size, device=device))[..., 0] > 0
        return (inside | ~inside.any(2, keepdim=True))[:, :, None]


class InterlacedAttention(nn.Sequential):
    """Attention among pixels that lie a block apart, then among those of a block.

    So each pixel hears of all others, at a small part of the cost of attention among all. Huang et
    al., "Interlaced Sparse Self-Attention for Semantic Segmentation", arXiv 1907.12273, 2019,
    section 3.2. Where no whole number of blocks fits, the public codes centre the map on zeros,
    which are seen like pixels; here the last blocks are smaller.

    Args:
        channels: Channels of the map and of the result.
        block: Pixels of a block along each side.
        norm: See `make_norm`.
    """

    def __init__(self, channels: int, *, block: int = 8, norm: str = "bn") -> None:
        super().__init__(
            GroupAttention(channels, block=block, long_range=True, norm=norm),
            GroupAttention(channels, block=block, long_range=False, norm=norm),
        )
