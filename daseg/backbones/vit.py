"""Plain vision transformers with the weights of foundation models: DINOv2, DINOv3, EVA-02."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from daseg.backbones.base import Backbone
from daseg.backbones.lora import add_adapters
from daseg.backbones.vit_layers import (
    Attention,
    Block,
    FeedForward,
    Rotation,
    dinov3_rotation,
    eva_rotation,
    resize_positions,
)
from daseg.backbones.vit_weights import load_vit_weights
from daseg.ops.recompute import recomputed
from daseg.registry import BACKBONES, did_you_mean
from daseg.utils.errors import ConfigError


@dataclass(frozen=True)
class Architecture:
    """A plain vision transformer.

    Attributes:
        dim: Channels.
        depth: Number of blocks.
        heads: Heads of the attention.
        hidden: Channels inside the feed-forward part.
        patch: Pixels of a patch's side.
        registers: Learnt tokens beside the class token.
        grid: Side of the table of learnt positions; 0 for none.
        rope: Rotary positions: "dinov3", "eva" or none.
        bias: Which of queries, keys and values have a bias: "all" or "qv".
        gated: SwiGLU in the feed-forward part.
        scaled: LayerScale.
        mlp_norm: A norm inside the feed-forward part.
        attn_norm: A norm inside the attention.
        eps: Epsilon of the norms.
    """

    dim: int
    depth: int
    heads: int
    hidden: int
    patch: int
    registers: int = 0
    grid: int = 0
    rope: Literal["dinov3", "eva"] | None = None
    bias: Literal["all", "qv"] = "all"
    gated: bool = False
    scaled: bool = False
    mlp_norm: bool = False
    attn_norm: bool = False
    eps: float = 1e-6


def dinov2(dim: int, depth: int, heads: int) -> Architecture:
    """Oquab et al., "DINOv2", TMLR 2024."""
    return Architecture(dim, depth, heads, 4 * dim, patch=14, grid=37, scaled=True)


def dinov3(dim: int, depth: int, heads: int) -> Architecture:
    """Siméoni et al., "DINOv3", 2025."""
    return Architecture(
        dim,
        depth,
        heads,
        4 * dim,
        patch=16,
        registers=4,
        rope="dinov3",
        bias="qv",
        scaled=True,
        eps=1e-5,
    )


def eva02(dim: int, depth: int, heads: int, *, mlp_norm: bool) -> Architecture:
    """Fang et al., "EVA-02: A Visual Representation for Neon Genesis", 2023."""
    return Architecture(
        dim,
        depth,
        heads,
        int(dim * 8 / 3),
        patch=14,
        grid=16,
        rope="eva",
        bias="qv",
        gated=True,
        mlp_norm=mlp_norm,
    )


SMALL, BASE, LARGE = (384, 12, 6), (768, 12, 12), (1024, 24, 16)
ARCHITECTURES = {
    "dinov2_small": dinov2(*SMALL),
    "dinov2_base": dinov2(*BASE),
    "dinov2_large": dinov2(*LARGE),
    "dinov2_small_reg4": replace(dinov2(*SMALL), registers=4),
    "dinov2_base_reg4": replace(dinov2(*BASE), registers=4),
    "dinov2_large_reg4": replace(dinov2(*LARGE), registers=4),
    "dinov3_tiny": dinov3(192, 12, 3),
    "dinov3_small": dinov3(*SMALL),
    "dinov3_small_plus": replace(dinov3(*SMALL), gated=True),
    "dinov3_base": dinov3(*BASE),
    "dinov3_large": dinov3(*LARGE),
    "eva02_tiny": eva02(192, 12, 3, mlp_norm=False),
    "eva02_small": eva02(*SMALL, mlp_norm=False),
    "eva02_base": eva02(*BASE, mlp_norm=True),
    "eva02_large": eva02(*LARGE, mlp_norm=True),
    "eva02_large_clip": replace(eva02(*LARGE, mlp_norm=True), attn_norm=True),
}


@BACKBONES.register_module()
class ViTBackbone(Backbone):
    """A plain vision transformer (Dosovitskiy et al., ICLR 2021) that gives maps of some blocks.

    All maps have the stride of the patch. Class token and registers are left out of them.

    A side that is no multiple of the patch is padded at the right or bottom with zeros, the mean
    colour, to the next one; a map has ``ceil(side / patch)`` places. The last place may cover
    padding, so that a map resized to the image is stretched by up to a patch. A patch of 16 fits
    the usual crops without padding.

    Args:
        arch: "dinov2_small", "dinov2_base", "dinov2_large", each also with "_reg4";
            "dinov3_tiny", "_small", "_small_plus", "_base", "_large"; "eva02_tiny", "_small",
            "_base", "_large", "_large_clip".
        out_indices: Blocks whose outputs are given, from 0; negative ones count from the last.
            Blocks behind the last of them are not built.
        final_norm: To which maps the model's last norm is applied: "all", as DINOv2 does; "last";
            "none".
        patch_size: Another patch, for example 16 for DINOv2. The weights' kernel is resized.
        resize: Resize the image first, bilinearly, by this factor and down to a multiple of the
            patch: VFM-UDA trains DINOv2 on crops of 1024 with 1.1, so that they become 1120.
        antialias: How learnt positions are resized to the image's grid: as timm does, or False,
            as Hugging Face's transformers do.
        drop_path: Probability of skipping a branch in the last block; linear from 0 in the first.
        weights: None for random ones, or the path of a file with the names of the model's authors
            or of timm.
        frozen: Nothing of it is trained, and it is always in eval mode.
        lora_rank: Freeze the weights, and train low-rank adapters of this rank beside the layers of
            the attention, 4 to 64; a checkpoint then holds only these. None: train all.
        checkpointing: Keep the input of each block alone for the backward pass, which runs the
            block again: less memory, a third more time, the same gradients. See `recomputed`.

    Attributes:
        out_channels: Channels of each map.
        strides: Their strides.
        initial_weights: Where the weights came from, or None.

    Raises:
        ConfigError: An argument has none of the values above.
        CheckpointError: The weights do not fit.
    """

    def __init__(
        self,
        arch: str,
        *,
        out_indices: Sequence[int] = (-1,),
        final_norm: Literal["all", "last", "none"] = "all",
        patch_size: int | None = None,
        resize: float | None = None,
        antialias: bool = True,
        drop_path: float = 0.0,
        weights: str | None = None,
        frozen: bool = False,
        lora_rank: int | None = None,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if arch not in ARCHITECTURES:
            raise ConfigError(
                f"ViTBackbone: there is no arch {arch!r}{did_you_mean(arch, ARCHITECTURES)} "
                f"({', '.join(ARCHITECTURES)})"
            )
        if final_norm not in ("all", "last", "none"):
            raise ConfigError(f"ViTBackbone: final_norm is 'all', 'last' or 'none': {final_norm!r}")
        a = self.architecture = ARCHITECTURES[arch]
        self.patch = patch_size or a.patch
        self.out_indices = tuple(i % a.depth for i in out_indices if -a.depth <= i < a.depth)
        if len(self.out_indices) < len(out_indices) or list(self.out_indices) != sorted(
            set(self.out_indices)
        ):
            raise ConfigError(
                f"ViTBackbone: out_indices={tuple(out_indices)} are not increasing numbers of the "
                f"{a.depth} blocks of {arch}"
            )
        self.final_norm, self.resize, self.antialias = final_norm, resize, antialias
        self.checkpointing = checkpointing
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, a.dim, self.patch, self.patch)})
        self.cls_token = nn.Parameter(torch.zeros(1, 1, a.dim))
        self.reg_token, self.pos_embed = None, None
        if a.registers:
            self.reg_token = nn.Parameter(torch.zeros(1, a.registers, a.dim))
        if a.grid:
            self.pos_embed = nn.Parameter(torch.zeros(1, a.grid**2, a.dim))
        self.blocks = nn.ModuleList(
            make_block(a, drop_path * i / (a.depth - 1)) for i in range(max(self.out_indices) + 1)
        )
        self.norm = nn.Identity() if final_norm == "none" else nn.LayerNorm(a.dim, a.eps)
        self.out_channels = (a.dim,) * len(self.out_indices)
        self.strides = (self.patch,) * len(self.out_indices)
        self.reset_parameters()
        self.initial_weights = None if weights is None else load_vit_weights(self, weights)
        self.freeze(frozen=frozen)
        if lora_rank is not None:
            add_adapters(self, lora_rank)

    def reset_parameters(self) -> None:
        """Draw linear layers and tokens from a normal distribution of 0.02, cut at 0.04."""
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                nn.init.trunc_normal_(module.weight, std=0.02, a=-0.04, b=0.04)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for token in (self.cls_token, self.reg_token, self.pos_embed):
            if token is not None:
                nn.init.trunc_normal_(token, std=0.02, a=-0.04, b=0.04)

    def layer_depths(self) -> dict[str, int]:
        """The layer of each parameter: 0 for patches, tokens and positions, i + 1 for block i."""
        last = len(self.blocks)
        depths = {}
        for name, _ in self.named_parameters():
            first, _, rest = name.partition(".")
            block = int(rest.partition(".")[0]) + 1 if first == "blocks" else 0
            depths[name] = last if first == "norm" else block
        return depths

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Map normalised images (N,3,H,W) to maps (N,C,h,w), one of each of ``out_indices``."""
        x = self.patch_embed["proj"](self.fitted(image))
        grid = (x.shape[2], x.shape[3])
        x = x.flatten(2).transpose(1, 2)
        if self.pos_embed is not None:
            x = x + resize_positions(self.pos_embed, grid, antialias=self.antialias)
        prefix = [t for t in (self.cls_token, self.reg_token) if t is not None]
        x = torch.cat([*(t.expand(len(x), -1, -1) for t in prefix), x], 1)
        rotation, maps = self.rotation(grid, x.device), []
        for index, block in enumerate(self.blocks):
            x = recomputed(block, x, rotation) if self.checkpointing else block(x, rotation)
            if index in self.out_indices:
                last = index == self.out_indices[-1]
                tokens = self.norm(x) if last or self.final_norm == "all" else x
                tokens = tokens[:, 1 + self.architecture.registers :]
                maps.append(tokens.transpose(1, 2).unflatten(2, grid))
        return tuple(maps)

    def fitted(self, image: Tensor) -> Tensor:
        """The image with sides that are multiples of the patch: resized, or padded."""
        height, width = image.shape[2:]
        if self.resize is not None:
            sides = [int(self.resize * side / self.patch) * self.patch for side in (height, width)]
            return F.interpolate(image, sides, mode="bilinear", align_corners=False)
        return F.pad(image, (0, -width % self.patch, 0, -height % self.patch))

    def rotation(self, grid: tuple[int, int], device: torch.device) -> Rotation | None:
        """The rotary positions of a grid, in float32."""
        a = self.architecture
        if a.rope is None:
            return None
        make = dinov3_rotation if a.rope == "dinov3" else eva_rotation
        return make(grid, a.dim // a.heads, device)


def make_block(a: Architecture, drop_path: float) -> Block:
    """One block of an architecture."""
    attention = Attention(
        a.dim,
        a.heads,
        bias=a.bias,
        interleaved=a.rope == "eva",
        inner_norm=a.attn_norm,
        eps=a.eps,
    )
    feed_forward = FeedForward(a.dim, a.hidden, gated=a.gated, norm=a.mlp_norm, eps=a.eps)
    return Block(a.dim, attention, feed_forward, scaled=a.scaled, eps=a.eps, drop_path=drop_path)
