"""Small heads on the last map of a plain vision transformer."""

from collections.abc import Sequence

from torch import Tensor, nn

from daseg.ops.layers import channels_at, classifier, features_at
from daseg.ops.norm import LayerNorm2d
from daseg.registry import HEADS


@HEADS.register_module()
class LightHead(nn.Module):
    """Two transposed convolutions, a 3x3 one and a classifier: logits four times as fine as a map.

    The head of VFM-UDA (Englert et al., "Exploring the Benefits of Vision Foundation Models for
    Unsupervised Domain Adaptation", CVPR Workshops 2024), as its public code has it: no layer has a
    bias. With DINOv2 at patches of 14 and ``resize=1.1`` a crop of 1024 pixels has 80x80 places and
    320x320 logits.

    Args:
        in_channels: Channels of all feature maps of the backbone.
        num_classes: Number of classes K.
        in_index: Which feature map to use.
    """

    def __init__(self, in_channels: Sequence[int], num_classes: int, *, in_index: int = -1) -> None:
        super().__init__()
        width, self.in_index = channels_at(in_channels, in_index), in_index
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(width, width // 2, 2, 2, bias=False),
            LayerNorm2d(width // 2),
            nn.GELU(),
            nn.ConvTranspose2d(width // 2, width // 4, 2, 2, bias=False),
            LayerNorm2d(width // 4),
            nn.Conv2d(width // 4, width // 4, 3, padding=1, bias=False),
            LayerNorm2d(width // 4),
        )
        self.classifier = nn.Conv2d(width // 4, num_classes, 1, bias=False)
        nn.init.normal_(self.classifier.weight, std=0.1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Map the backbone's features to logits (N, K, 4 h, 4 w), h and w of the map used."""
        return self.classifier(self.layers(features[self.in_index]))


@HEADS.register_module()
class LinearHead(nn.Module):
    """Batch norm and a 1x1 classifier: a linear probe of a backbone's features.

    Oquab et al., "DINOv2", TMLR 2024, section 7.4, with ``frozen=True`` in the backbone.

    Args:
        in_channels: Channels of all feature maps of the backbone.
        num_classes: Number of classes K.
        in_index: Feature map to use, or several of one size, concatenated in this order.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        *,
        in_index: int | Sequence[int] = -1,
    ) -> None:
        super().__init__()
        width, self.in_index = channels_at(in_channels, in_index), in_index
        self.norm = nn.BatchNorm2d(width)
        self.classifier = classifier(width, num_classes)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Map the backbone's features to logits (N, K, h, w), at the size of the map used."""
        return self.classifier(self.norm(features_at(features, self.in_index)))
