"""Atrous spatial pyramid pooling of DeepLab v3 (Chen et al., arXiv 1706.05587, section 3.3)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from daseg.ops.layers import conv3x3, conv_norm_relu
from daseg.utils.errors import ConfigError


class ImagePooling(nn.Module):
    """The mean of the whole map through a 1x1 convolution, spread over the map again.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        norm: See `make_norm`; None for a convolution with a bias and no norm.

    Raises:
        ConfigError: ``norm`` is instance norm, which turns a map of one pixel into zero.
    """

    def __init__(self, in_channels: int, out_channels: int, *, norm: str | None = "bn") -> None:
        super().__init__()
        if norm == "in":
            raise ConfigError(
                "image pooling leaves one pixel, which instance norm turns into zero: set "
                "pool_norm=False or norm='gn' in the head"
            )
        if norm is None:
            self.block: nn.Module = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1), nn.ReLU()
            )
        else:
            self.block = conv_norm_relu(in_channels, out_channels, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, out_channels, h, w), constant over h and w.

        Raises:
            ConfigError: Batch norm would have to normalise a single value per channel.
        """
        norm = getattr(self.block, "norm", None)
        if isinstance(norm, nn.BatchNorm2d) and norm.training and len(x) == 1:
            raise ConfigError(
                "image pooling leaves one value a channel, which batch norm cannot normalise in "
                "training with one image a batch: use two images or more, or set pool_norm=False "
                "or norm='gn' in the head"
            )
        pooled: Tensor = self.block(x.mean(dim=(2, 3), keepdim=True))
        return pooled.expand(-1, -1, *x.shape[2:])


class ASPP(nn.Module):
    """Parallel branches of several fields of view, concatenated and projected.

    The branches are ordered: image pooling, if there is one, 1x1, then the dilated 3x3 ones.

    Args:
        in_channels: Channels of the input.
        channels: Channels of each branch, and of the output.
        rates: Dilations of the 3x3 branches: (6, 12, 18) at output stride 16, twice these at 8.
        separable: The 3x3 branches are depthwise separable.
        norm: See `make_norm`.
        pool_norm: Whether the image pooling branch has the norm as well.
        dropout: Probability that a channel of the result is dropped in training.
        pooling: Whether there is an image pooling branch.
        project_size: Kernel of the projection: 1, or 3 as in DAFormer.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int = 256,
        *,
        rates: Sequence[int] = (6, 12, 18),
        separable: bool = False,
        norm: str = "bn",
        pool_norm: bool = True,
        dropout: float = 0.1,
        pooling: bool = True,
        project_size: int = 1,
    ) -> None:
        super().__init__()
        self.pool: ImagePooling | None = None
        if pooling:
            self.pool = ImagePooling(in_channels, channels, norm=norm if pool_norm else None)
        self.branches = nn.ModuleList([conv_norm_relu(in_channels, channels, norm=norm)])
        for rate in rates:
            self.branches.append(
                conv3x3(in_channels, channels, dilation=rate, separable=separable, norm=norm)
            )
        width = (len(self.branches) + pooling) * channels
        self.project = conv_norm_relu(width, channels, project_size, norm=norm)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, channels, h, w)."""
        maps = [] if self.pool is None else [self.pool(x)]
        maps += [branch(x) for branch in self.branches]
        return self.dropout(self.project(torch.cat(maps, dim=1)))
