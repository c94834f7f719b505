"""A small head on a feature pyramid: fine maps with the context of coarse ones."""

from collections.abc import Sequence

from torch import Tensor, nn

from daseg.heads.levels import added_downwards, concatenated
from daseg.ops.layers import classifier, conv_norm_relu
from daseg.registry import HEADS


@HEADS.register_module()
class FPNHead(nn.Module):
    """All maps at one width, summed from coarse to fine, and concatenated at the finest's size.

    The pyramid of Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017, section
    3, without its 3x3 convolution on each level; a single one follows on all of them. It learns
    quickly: with few iterations it is ahead of dilated heads on thin and small classes.

    Args:
        in_channels: Channels of the backbone's maps, fine to coarse.
        num_classes: Number of classes K.
        channels: Channels of each level and of the result.
        norm: Norm after each convolution, see `make_norm`; None for none, with a bias instead.
        dropout: Probability that a channel is dropped before the classifier, in training.
        align_corners: How maps are resized.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        *,
        channels: int = 64,
        norm: str | None = "bn",
        dropout: float = 0.1,
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.lateral = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in in_channels)
        width = len(in_channels) * channels
        self.fuse: nn.Module = (
            nn.Sequential(nn.Conv2d(width, channels, 3, padding=1), nn.ReLU())
            if norm is None
            else conv_norm_relu(width, channels, 3, norm=norm)
        )
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = classifier(channels, num_classes)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Map the backbone's features to logits (N, K, h, w), at the size of the finest map."""
        levels = [conv(maps) for conv, maps in zip(self.lateral, features, strict=True)]
        levels = added_downwards(levels, self.align_corners)
        joined = self.fuse(concatenated(levels, self.align_corners))
        return self.classifier(self.dropout(joined))
