"""The mix transformer, the encoder of SegFormer, DAFormer, HRDA and MIC."""

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import StochasticDepth

from daseg.backbones.base import Backbone
from daseg.backbones.mit_weights import to_own_names
from daseg.backbones.weights import load_weights
from daseg.registry import BACKBONES, did_you_mean
from daseg.utils.errors import ConfigError

# The published networks have two epsilons: that of the blocks and stages, and torch's default
# after the convolutions that embed patches and shrink the keys.
EPS, CONV_EPS = 1e-6, 1e-5
HEADS, REDUCTIONS = (1, 2, 5, 8), (8, 4, 2, 1)  # of the four stages
Grid = tuple[int, int]


class Architecture(NamedTuple):
    """Channels and number of blocks of the four stages."""

    dims: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]


WIDE = (64, 128, 320, 512)
ARCHITECTURES = dict(
    b0=Architecture((32, 64, 160, 256), (2, 2, 2, 2)),
    b1=Architecture(WIDE, (2, 2, 2, 2)),
    b2=Architecture(WIDE, (3, 4, 6, 3)),
    b3=Architecture(WIDE, (3, 4, 18, 3)),
    b4=Architecture(WIDE, (3, 8, 27, 3)),
    b5=Architecture(WIDE, (3, 6, 40, 3)),
)


def to_tokens(maps: Tensor) -> Tensor:
    """Maps (N,C,h,w) as tokens (N,h*w,C)."""
    return maps.flatten(2).transpose(1, 2)


def to_maps(tokens: Tensor, grid: Grid) -> Tensor:
    """Tokens (N,h*w,C) as maps (N,C,h,w), laid out channels last."""
    return tokens.transpose(1, 2).unflatten(2, grid)


class PatchEmbedding(nn.Module):
    """Overlapping patches: a strided convolution and a layer norm.

    Args:
        in_channels: Channels of the input.
        dim: Channels of a token.
        stride: Stride of the convolution; its kernel is 2 * stride - 1 wide.
    """

    def __init__(self, in_channels: int, dim: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, dim, 2 * stride - 1, stride, padding=stride - 1)
        self.norm = nn.LayerNorm(dim, CONV_EPS)

    def forward(self, maps: Tensor) -> tuple[Tensor, Grid]:
        """Map (N,C,H,W) to tokens (N,h*w,dim) and their grid (h, w), ``ceil(side / stride)``."""
        x = self.proj(maps)
        return self.norm(to_tokens(x)), (x.shape[2], x.shape[3])


class EfficientAttention(nn.Module):
    """Self-attention whose keys and values come from a smaller map.

    Wang et al., "Pyramid Vision Transformer", ICCV 2021, section 3.3; Xie et al., eq. (2).

    Args:
        dim: Channels.
        heads: Number of heads.
        reduction: How much smaller the map of keys and values is; 1 for the whole.
    """

    def __init__(self, dim: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads, self.reduction = heads, reduction
        self.q, self.kv = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim)
        if reduction > 1:
            self.reduce = nn.Conv2d(dim, dim, reduction, reduction)
            self.norm = nn.LayerNorm(dim, CONV_EPS)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """Map tokens (N,h*w,C) of a grid (h, w) to the same shape."""
        context = x
        if self.reduction > 1:
            context = self.norm(to_tokens(self.reduce(to_maps(x, grid))))
        q = self.q(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
        k, v = self.kv(context).unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(q, k, v)
        return self.proj(out.transpose(1, 2).flatten(2))


class MixFeedForward(nn.Module):
    """Two linear layers, and between them a 3x3 convolution of each channel, and a GELU.

    The zeros that pad the convolution are all that tells the network where a token lies. Xie et
    al., section 3.1, eq. (3).

    Args:
        dim: Channels that come in and go out.
        hidden: Channels between.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.dwconv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """Map tokens (N,h*w,C) of a grid (h, w) to the same shape."""
        mixed = self.dwconv(to_maps(self.fc1(x), grid))
        return self.fc2(F.gelu(to_tokens(mixed)))


class Block(nn.Module):
    """Attention and feed-forward part, each behind a layer norm and beside a short cut.

    Args:
        dim: Channels.
        heads: Heads of the attention.
        reduction: See `EfficientAttention`.
        drop_path: Probability with which an image skips a branch in training.
    """

    def __init__(self, dim: int, heads: int, reduction: int, drop_path: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, EPS), nn.LayerNorm(dim, EPS)
        self.attn = EfficientAttention(dim, heads, reduction)
        self.mlp = MixFeedForward(dim, 4 * dim)
        self.drop_path = StochasticDepth(drop_path, "row")

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """Map tokens (N,h*w,C) of a grid (h, w) to the same shape."""
        x = x + self.drop_path(self.attn(self.norm1(x), grid))
        return x + self.drop_path(self.mlp(self.norm2(x), grid))


class Stage(nn.Module):
    """Patches, blocks and a last norm: one map of the pyramid."""

    def __init__(self, embed: PatchEmbedding, blocks: list[Block]) -> None:
        super().__init__()
        self.embed, self.blocks = embed, nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(embed.proj.out_channels, EPS)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N,C,H,W) to (N,dim,h,w)."""
        x, grid = self.embed(maps)
        for block in self.blocks:
            x = block(x, grid)
        return to_maps(self.norm(x), grid)


@BACKBONES.register_module()
class MiT(Backbone):
    """The mix transformer: four stages of strides 4, 8, 16 and 32.

    Xie et al., "SegFormer: Simple and Efficient Design for Semantic Segmentation with
    Transformers", NeurIPS 2021, section 3.1. It has no position embeddings, so images may have any
    size from 32x32 pixels on.

    Args:
        arch: "b0" to "b5"; DAFormer, HRDA and MIC have "b5".
        drop_path: Probability of skipping a branch in the last block; linear from 0 in the first.
        weights: None for random ones, or the path of a file: one of the authors', of mmsegmentation
            1.x, or of a network around such a backbone.
        frozen: Nothing of it is trained, and it is always in eval mode.

    Attributes:
        out_channels: Channels of the four maps.
        strides: 4, 8, 16, 32.
        initial_weights: Where the weights came from, or None.

    Raises:
        ConfigError: There is no such ``arch``.
        CheckpointError: The weights do not fit.
    """

    def __init__(
        self,
        arch: str = "b5",
        *,
        drop_path: float = 0.1,
        weights: str | None = None,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        if arch not in ARCHITECTURES:
            raise ConfigError(
                f"MiT: there is no arch {arch!r}{did_you_mean(arch, ARCHITECTURES)} "
                f"({', '.join(ARCHITECTURES)})"
            )
        dims, self.depths = ARCHITECTURES[arch]
        blocks_in_all = sum(self.depths)
        rates = iter(drop_path * i / (blocks_in_all - 1) for i in range(blocks_in_all))
        stages = []
        for i, (dim, depth) in enumerate(zip(dims, self.depths, strict=True)):
            embed = PatchEmbedding(dims[i - 1] if i else 3, dim, 2 if i else 4)
            blocks = [Block(dim, HEADS[i], REDUCTIONS[i], next(rates)) for _ in range(depth)]
            stages.append(Stage(embed, blocks))
        self.stages = nn.ModuleList(stages)
        self.out_channels, self.strides = dims, (4, 8, 16, 32)
        self.reset_parameters()
        if weights is not None:
            self.initial_weights = load_weights(self, weights, rename=to_own_names)
        self.freeze(frozen=frozen)

    def reset_parameters(self) -> None:
        """Draw linear layers from N(0, 0.02), convolutions by their number of outputs."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
            elif isinstance(module, nn.Conv2d):
                fan_out = module.weight[0, 0].numel() * module.out_channels / module.groups
                nn.init.normal_(module.weight, std=(2 / fan_out) ** 0.5)
            if isinstance(module, (nn.Linear, nn.Conv2d)) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def layer_depths(self) -> dict[str, int]:
        """The layer of each parameter: 0 for the first patches, then the number of the block.

        Patches of a later stage belong to the block after them, a stage's norm to the one before.
        """
        depths, before = {}, 0
        for i, count in enumerate(self.depths):
            for name, _ in self.stages[i].named_parameters():
                part, _, rest = name.partition(".")
                if part == "blocks":
                    inside = 1 + int(rest.partition(".")[0])
                else:
                    inside = count if part == "norm" else min(i, 1)
                depths[f"stages.{i}.{name}"] = before + inside
            before += count
        return depths

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Map normalised images (N,3,H,W) to four maps, of ``ceil(side / stride)`` places a side.

        Raises:
            ConfigError: The image is too small for the first stage's attention.
        """
        if min(image.shape[2:]) <= 4 * (REDUCTIONS[0] - 1):
            raise ConfigError(
                f"MiT needs images of at least 32x32 pixels, got {tuple(image.shape[2:])}"
            )
        maps, x = [], image
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps)
