"""The classifier of DeepLab v2: a sum of dilated convolutions."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from daseg.ops.layers import channels_at, features_at
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
        used = self.conv2d_list[: self.branches]
        return torch.stack([conv(x) for conv in used]).sum(dim=0)
