"""The head of DeepLab v3: ASPP with image pooling."""

from collections.abc import Sequence

from torch import Tensor, nn

from daseg.heads.aspp import ASPP
from daseg.ops.layers import channels_at, classifier, features_at
from daseg.registry import HEADS


@HEADS.register_module()
class DeepLabV3Head(nn.Module):
    """ASPP and a 1x1 classifier (Chen et al., arXiv 1706.05587, section 3.3).

    Args:
        in_channels: Channels of all feature maps of the backbone.
        num_classes: Number of classes K.
        in_index: Which feature map to use.
        channels: Channels of each ASPP branch.
        rates: Dilations of the ASPP: (6, 12, 18) at output stride 16, twice as much at 8.
        separable: Depthwise separable convolutions in the ASPP.
        norm: See `make_norm`.
        pool_norm: Whether the ASPP's image pooling has a norm; with batch norm and training on
            batches of one image it must not.
        dropout: Probability that a channel is dropped before the classifier, in training.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        *,
        in_index: int = -1,
        channels: int = 256,
        rates: Sequence[int] = (6, 12, 18),
        separable: bool = False,
        norm: str = "bn",
        pool_norm: bool = True,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.in_index = in_index
        self.aspp = ASPP(
            channels_at(in_channels, in_index),
            channels,
            rates=rates,
            separable=separable,
            norm=norm,
            pool_norm=pool_norm,
            dropout=dropout,
        )
        self.classifier = classifier(channels, num_classes)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Map the backbone's features to logits (N, K, h, w), at the size of the map used."""
        return self.classifier(self.aspp(features_at(features, self.in_index)))
