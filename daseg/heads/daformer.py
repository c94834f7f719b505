"""The head of DAFormer: all levels, fused with several fields of view."""

from collections.abc import Sequence
from typing import Literal, get_args

from torch import Tensor, nn

from daseg.heads.aspp import ASPP
from daseg.heads.interlaced import InterlacedAttention
from daseg.heads.levels import ConvFusion, LevelEmbedding, concatenated
from daseg.ops.layers import classifier
from daseg.ops.resize import resize, size_of
from daseg.registry import HEADS, did_you_mean
from daseg.utils.errors import ConfigError

Fusion = Literal["sepaspp", "aspp", "conv", "coarse_sepaspp", "isa"]


@HEADS.register_module()
class DAFormerHead(nn.Module):
    """Every map through a linear layer, then fused at the finest map's size.

    Hoyer et al., "DAFormer: Improving Network Architectures and Training Strategies for
    Domain-Adaptive Semantic Segmentation", CVPR 2022, section 3.2 and its study of heads in table
    7, of which `UPerHead` is a head of its own.

    Args:
        in_channels: Channels of the backbone's maps, fine to coarse.
        num_classes: Number of classes K.
        channels: Channels of each map, of each branch and of the result.
        fusion: How the maps are fused: "sepaspp", DAFormer's, by dilated separable convolutions
            without image pooling; "aspp", by plain ones; "conv", by a 1x1 convolution, as SegFormer
            does, which is also HRDA's scale attention; "coarse_sepaspp", by a 1x1 convolution
            after the dilated ones on the coarsest map alone, resized to the finest's size; "isa",
            by a 1x1 convolution and `InterlacedAttention` in blocks of 8x8 after it.
        rates: Dilations of the 3x3 convolutions, beside which there is a 1x1 one.
        norm: See `make_norm`.
        dropout: Probability that a channel is dropped before the classifier, in training.
        align_corners: How maps are resized.

    Raises:
        ConfigError: ``fusion`` is none of the above.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        *,
        channels: int = 256,
        fusion: Fusion = "sepaspp",
        rates: Sequence[int] = (6, 12, 18),
        norm: str = "bn",
        dropout: float = 0.1,
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        if fusion not in get_args(Fusion):
            raise ConfigError(
                f"DAFormerHead: there is no fusion {fusion!r}"
                f"{did_you_mean(fusion, get_args(Fusion))} ({', '.join(get_args(Fusion))})"
            )
        self.fusion, self.align_corners = fusion, align_corners
        self.embed = LevelEmbedding(in_channels, channels)
        self.context: ASPP | None = None
        if "aspp" in fusion:
            self.context = ASPP(
                channels if fusion == "coarse_sepaspp" else len(in_channels) * channels,
                channels,
                rates=rates,
                separable=fusion != "aspp",
                norm=norm,
                dropout=0.0,
                pooling=False,
                project_size=3,
            )
        self.fuse: ConvFusion | None = None
        if fusion in ("conv", "coarse_sepaspp", "isa"):
            self.fuse = ConvFusion(
                len(in_channels), channels, channels, norm=norm, align_corners=align_corners
            )
        self.attention: InterlacedAttention | None = None
        if fusion == "isa":
            self.attention = InterlacedAttention(channels, norm=norm)
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = classifier(channels, num_classes)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Map the backbone's features to logits (N, K, h, w), at the size of the finest map."""
        return self.classifier(self.dropout(self.fused(self.embed(features))))

    def fused(self, maps: list[Tensor]) -> Tensor:
        """Fuse maps (N,channels,h_i,w_i), fine to coarse, to (N,channels,h_0,w_0)."""
        if self.fuse is None:
            assert self.context is not None
            joined: Tensor = self.context(concatenated(maps, self.align_corners))
            return joined
        if self.context is not None:
            coarsest = resize(maps[-1], size_of(maps[0]), self.align_corners)
            maps = [*maps[:-1], self.context(coarsest)]
        joined = self.fuse(maps)
        return joined if self.attention is None else self.attention(joined)
