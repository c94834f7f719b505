"""The classifier of DeepLab v2: a sum of dilated convolutions."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from daseg.ops.layers import channels_at, features_at
from daseg.ops.logits import at_least_float32
from daseg.ops.resize import size_of
from daseg.registry import HEADS
from daseg.utils.errors import ConfigError


@HEADS.register_module()
class DeepLabV2Head(nn.Module):
    """Sum of parallel 3x3 convolutions of different dilations, each straight to the classes.

    Chen et al., "DeepLab", TPAMI 2018, section 3.2 (ASPP-L without its 1x1 layers), as used by
    AdaptSegNet (Tsai et al., CVPR 2018). **The published AdaptSegNet networks sum only the first
    two of the four branches**: their results need ``branches=2``. The weights of the others
    exist, so that those files load, but are not trained.

    Args:
        in_channels: Channels of all feature maps of the backbone.
        num_classes: Number of classes K.
        in_index: Which feature map to use.
        dilations: Dilation of each branch.
        branches: How many of the branches, from the first, are summed.

    Raises:
        ConfigError: ``branches`` or ``in_index`` is out of range.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        *,
        in_index: int = -1,
        dilations: Sequence[int] = (6, 12, 18, 24),
        branches: int = 4,
    ) -> None:
        super().__init__()
        if not 1 <= branches <= len(dilations):
            raise ConfigError(
                f"DeepLabV2Head: branches={branches} is not within 1..{len(dilations)}, "
                "the number of dilations"
            )
        channels = channels_at(in_channels, in_index)
        self.in_index, self.branches = in_index, branches
        convs = [nn.Conv2d(channels, num_classes, 3, padding=d, dilation=d) for d in dilations]
        for conv in convs:
            nn.init.normal_(conv.weight, std=0.01)
        self.conv2d_list = nn.ModuleList(convs)
        # DDP waits for the gradient of every parameter that asks for one.
        self.conv2d_list[branches:].requires_grad_(False)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Map the backbone's features to logits (N, K, h, w), at the size of the map used."""
        x = features_at(features, self.in_index)
        used: Any = self.conv2d_list[: self.branches]
        if x.device.type == "cpu":
            return _sum_of_taps(x, used)
        logits: Tensor = used[0](x)
        for conv in used[1:]:
            logits = logits + conv(x)
        return logits


def _sum_of_taps(x: Tensor, convs: Sequence[nn.Conv2d]) -> Tensor:
    """The sum of dilated 3x3 convolutions to few channels, as one matrix product.

    Each tap of each kernel is a product of the map with a matrix (K, C); all of them at once fill
    the product that a convolution to K channels leaves half empty on a CPU. What a tap gives is
    then shifted to the place that it counts for. Only the order of the sums differs.

    Args:
        x: (N,C,h,w), in any memory layout.
        convs: 3x3 convolutions from C to K channels that keep the size.
    """
    # A tap is shifted against the direction in which the convolution reads.
    kernels = torch.stack([conv.weight.flip(2, 3) for conv in convs])  # (B,K,C,3,3)
    taps = kernels.permute(0, 1, 3, 4, 2).flatten(0, 3)  # (B*K*9, C)
    found = at_least_float32(torch.matmul(taps, x.flatten(2)))  # (N, B*K*9, h*w)
    logits: Tensor | float = 0.0
    for conv, part in zip(convs, found.chunk(len(convs), dim=1), strict=True):
        assert conv.bias is not None
        shifted = F.fold(part, size_of(x), 3, conv.dilation, conv.dilation)
        logits = logits + shifted + conv.bias.to(shifted)[:, None, None]
    assert isinstance(logits, Tensor)
    return logits
