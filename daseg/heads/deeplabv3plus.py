"""The head of DeepLab v3+: ASPP and a decoder that refines it with fine features."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from daseg.heads.aspp import ASPP
from daseg.ops.layers import channels_at, classifier, conv3x3, conv_norm_relu, features_at
from daseg.ops.resize import resize
from daseg.registry import HEADS


@HEADS.register_module()
class DeepLabV3PlusHead(nn.Module):
    """ASPP, upsampled and refined with a fine feature map (Chen et al., ECCV 2018, Fig. 2).

    With the defaults it is the decoder of SegmenTron's published ResNet-101 network, whose
    weights ``daseg convert segmentron`` imports.

    Args:
        in_channels: Channels of all feature maps of the backbone.
        num_classes: Number of classes K.
        in_index: Feature map of the ASPP.
        low_index: Fine feature map of the decoder, usually of stride 4.
        channels: Channels of the ASPP and of the decoder.
        low_channels: Channels to which the fine map is reduced.
        rates: Dilations of the ASPP: (6, 12, 18) at output stride 16, twice as much at 8.
        separable: Depthwise separable 3x3 convolutions in ASPP and decoder.
        norm: See `make_norm`.
        pool_norm: Whether the ASPP's image pooling has a norm; with batch norm and training on
            batches of one image it must not.
        dropout: Probability that a channel of the ASPP's result is dropped in training.
        align_corners: Whether the bilinear upsampling inside maps corner pixels on each other.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        *,
        in_index: int = -1,
        low_index: int = 0,
        channels: int = 256,
        low_channels: int = 48,
        rates: Sequence[int] = (6, 12, 18),
        separable: bool = True,
        norm: str = "bn",
        pool_norm: bool = True,
        dropout: float = 0.1,
        align_corners: bool = True,
    ) -> None:
        super().__init__()
        self.in_index, self.low_index = in_index, low_index
        self.align_corners = align_corners
        self.aspp = ASPP(
            channels_at(in_channels, in_index),
            channels,
            rates=rates,
            separable=separable,
            norm=norm,
            pool_norm=pool_norm,
            dropout=dropout,
        )
        self.low = conv_norm_relu(channels_at(in_channels, low_index), low_channels, norm=norm)
        self.decoder = nn.Sequential(
            conv3x3(channels + low_channels, channels, dilation=1, separable=separable, norm=norm),
            conv3x3(channels, channels, dilation=1, separable=separable, norm=norm),
        )
        self.classifier = classifier(channels, num_classes)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Map the backbone's features to logits (N, K, h, w), at the size of the fine map."""
        low = self.low(features_at(features, self.low_index))
        high = self.aspp(features_at(features, self.in_index))
        high = resize(high, (low.shape[2], low.shape[3]), self.align_corners)
        return self.classifier(self.decoder(torch.cat([high, low], dim=1)))
