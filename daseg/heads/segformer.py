"""The head of SegFormer: linear layers alone."""

from collections.abc import Sequence

from torch import Tensor, nn

from daseg.heads.levels import ConvFusion, LevelEmbedding
from daseg.ops.layers import classifier
from daseg.registry import HEADS


@HEADS.register_module()
class SegFormerHead(nn.Module):
    """Every map through a linear layer, fused by a 1x1 convolution at the finest map's size.

    Xie et al., "SegFormer", NeurIPS 2021, section 3.2, eq. (4). The maps are concatenated fine to
    coarse, as in the public code of DAFormer; that of SegFormer has them coarse to fine, and
    ``daseg convert segformer`` reorders its weights.

    Args:
        in_channels: Channels of the backbone's maps, fine to coarse.
        num_classes: Number of classes K.
        channels: Channels between; published: 256 with MiT-B0 and B1, 768 with B2 to B5.
        norm: See `make_norm`.
        dropout: Probability that a channel is dropped before the classifier, in training.
        align_corners: How maps are resized.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        *,
        channels: int = 256,
        norm: str = "bn",
        dropout: float = 0.1,
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        self.embed = LevelEmbedding(in_channels, channels)
        self.fuse = ConvFusion(
            len(in_channels), channels, channels, norm=norm, align_corners=align_corners
        )
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = classifier(channels, num_classes)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Map the backbone's features to logits (N, K, h, w), at the size of the finest map."""
        return self.classifier(self.dropout(self.fuse(self.embed(features))))
