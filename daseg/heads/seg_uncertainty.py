"""The classifier of Seg-Uncertainty: ASPP with a 3x3 bottleneck and channel attention."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from daseg.ops.layers import channels_at, features_at
from daseg.ops.norm import make_norm
from daseg.registry import HEADS


class SqueezeExcitation(nn.Module):
    """Scale each channel by a gate computed from all channels' means (Hu et al., CVPR 2018).

    Args:
        channels: Channels C of input and output.
        reduction: By how much the hidden layer has fewer units.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = channels // reduction
        self.se = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, h, w) to (N, C, h, w)."""
        gate: Tensor = self.se(x.mean(dim=(2, 3)))
        return x * gate[:, :, None, None]


@HEADS.register_module()
class SegUncertaintyHead(nn.Module):
    """ASPP, optional channel attention, 3x3 bottleneck, dropout, 1x1 classifier.

    Zheng and Yang, "Unsupervised Scene Adaptation with Memory Regularization in vivo", IJCAI 2020
    (and "Rectifying Pseudo Label Learning", IJCV 2021). In the published networks the main head
    reads the last two stages of a ResNet-101 of output stride 8, ``in_index=(-1, -2)``, and the
    auxiliary head the last but one, ``in_index=-2``.

    Args:
        in_channels: Channels of all feature maps of the backbone.
        num_classes: Number of classes K.
        in_index: Feature map to use, or several of one size, concatenated in this order.
        dilations: Dilation of the 3x3 branches; a 1x1 branch comes first.
        channels: Channels of each branch.
        bottleneck_channels: Channels of the bottleneck.
        norm: ``"gn"`` (published), ``"bn"`` or ``"in"``.
        use_se: Squeeze-and-excitation before the bottleneck (published: yes).
        dropout: Probability that a channel is dropped before the classifier, in training.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        *,
        in_index: int | Sequence[int] = (-1, -2),
        dilations: Sequence[int] = (6, 12, 18, 24),
        channels: int = 256,
        bottleneck_channels: int = 512,
        norm: str = "gn",
        use_se: bool = True,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.in_index = in_index
        inside = channels_at(in_channels, in_index)
        convs = [nn.Conv2d(inside, channels, 1)]
        convs += [nn.Conv2d(inside, channels, 3, padding=d, dilation=d) for d in dilations]
        self.conv2d_list = nn.ModuleList(
            [nn.Sequential(conv, make_norm(norm, channels), nn.ReLU()) for conv in convs]
        )
        concatenated = len(convs) * channels
        bottleneck = nn.Conv2d(concatenated, bottleneck_channels, 3, padding=1)
        nn.init.kaiming_normal_(bottleneck.weight, nonlinearity="relu")
        self.bottleneck = nn.Sequential(
            *([SqueezeExcitation(concatenated)] if use_se else []),
            bottleneck,
            make_norm(norm, bottleneck_channels),
        )
        classifier = nn.Conv2d(bottleneck_channels, num_classes, 1, bias=False)
        nn.init.normal_(classifier.weight, std=0.001)
        self.head = nn.Sequential(nn.Dropout2d(dropout), classifier)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Map the backbone's features to logits (N, K, h, w), at the size of the map used."""
        x = features_at(features, self.in_index)
        x = torch.cat([branch(x) for branch in self.conv2d_list], dim=1)
        return self.head(self.bottleneck(x))
