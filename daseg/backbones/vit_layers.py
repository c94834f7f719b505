"""Layers of plain vision transformers: attention with rotary positions, feed-forward, positions."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import StochasticDepth

Rotation = tuple[Tensor, Tensor]  # cosines and sines (tokens, head_dim)


class Attention(nn.Module):
    """Multi-head self-attention (Vaswani et al., NeurIPS 2017), optionally with rotary positions.

    Args:
        dim: Channels.
        heads: Number of heads.
        bias: "all": queries, keys and values have a bias; "qv": keys have none.
        interleaved: Rotary positions turn channels (0,1), (2,3), ..., as in EVA-02; else channels
            i and i + head_dim / 2, as in DINOv3.
        inner_norm: A layer norm before the projection (EVA-02's CLIP models).
        eps: Epsilon of that norm.
    """

    def __init__(
        self, dim: int, heads: int, *, bias: str, interleaved: bool, inner_norm: bool, eps: float
    ) -> None:
        super().__init__()
        self.heads, self.interleaved = heads, interleaved
        self.qkv = nn.Linear(dim, 3 * dim, bias=bias == "all")
        if bias == "qv":
            self.q_bias = nn.Parameter(torch.zeros(dim))
            self.v_bias = nn.Parameter(torch.zeros(dim))
        self.norm = nn.LayerNorm(dim, eps) if inner_norm else nn.Identity()
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, rotation: Rotation | None) -> Tensor:
        """Map tokens (N,L,C) to the same shape; ``rotation`` is that of the last of them."""
        qkv = self.qkv(x)
        if hasattr(self, "q_bias"):
            qkv = qkv + torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        q, k, v = qkv.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if rotation is not None:
            q, k = (self.rotate(t, rotation).to(v.dtype) for t in (q, k))
        out = F.scaled_dot_product_attention(q, k, v)
        return self.proj(self.norm(out.transpose(1, 2).flatten(2)))

    def rotate(self, x: Tensor, rotation: Rotation) -> Tensor:
        """Turn queries or keys (N,heads,L,head_dim) by their place; prefix tokens have none."""
        cos, sin = rotation
        prefix, x = x.split([x.shape[2] - len(cos), len(cos)], dim=2)
        if self.interleaved:
            first, second = x.unflatten(3, (-1, 2)).unbind(4)
            turned = torch.stack([-second, first], 4).flatten(3)
        else:
            first, second = x.chunk(2, 3)
            turned = torch.cat([-second, first], 3)
        return torch.cat([prefix, x * cos + turned * sin], 2)


class FeedForward(nn.Module):
    """Two linear layers with a GELU between; or SwiGLU (Shazeer, 2020): SiLU(gate) * fc1.

    Args:
        dim: Channels that come in and go out.
        hidden: Channels between.
        gated: SwiGLU.
        norm: A layer norm before the last layer (EVA-02's larger models).
        eps: Epsilon of that norm.
    """

    def __init__(self, dim: int, hidden: int, *, gated: bool, norm: bool, eps: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.gate = nn.Linear(dim, hidden) if gated else None
        self.norm = nn.LayerNorm(hidden, eps) if norm else nn.Identity()
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (...,C) to the same shape."""
        inner = F.gelu(self.fc1(x)) if self.gate is None else F.silu(self.gate(x)) * self.fc1(x)
        return self.fc2(self.norm(inner))


class LayerScale(nn.Module):
    """A learnt factor for each channel (Touvron et al., "CaiT", ICCV 2021)."""

    def __init__(self, dim: int, value: float = 1e-5) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), value))

    def forward(self, x: Tensor) -> Tensor:
        """Scale (...,C)."""
        return x * self.gamma


class Block(nn.Module):
    """A pre-norm transformer block.

    Args:
        dim: Channels.
        attention: Its attention.
        feed_forward: Its feed-forward part.
        scaled: Whether each branch has a `LayerScale`.
        eps: Epsilon of the norms.
        drop_path: Probability with which an image skips a branch in training.
    """

    def __init__(
        self,
        dim: int,
        attention: Attention,
        feed_forward: FeedForward,
        *,
        scaled: bool,
        eps: float,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim, eps), attention
        self.ls1 = LayerScale(dim) if scaled else nn.Identity()
        self.norm2, self.mlp = nn.LayerNorm(dim, eps), feed_forward
        self.ls2 = LayerScale(dim) if scaled else nn.Identity()
        self.drop_path = StochasticDepth(drop_path, "row")

    def forward(self, x: Tensor, rotation: Rotation | None) -> Tensor:
        """Map tokens (N,L,C) to the same shape."""
        x = x + self.drop_path(self.ls1(self.attn(self.norm1(x), rotation)))
        return x + self.drop_path(self.ls2(self.mlp(self.norm2(x))))


def dinov3_rotation(grid: tuple[int, int], head_dim: int, device: torch.device) -> Rotation:
    """Rotary positions of DINOv3 (Siméoni et al., 2025, section 3.2): both sides run from -1 to 1.

    Channel k of a quarter of a head turns by 2 pi times the coordinate, over a period of
    ``100 ** (4 k / head_dim)``; the quarters are y, x, y, x.
    """
    sides = [(torch.arange(n, device=device) + 0.5) / n * 2 - 1 for n in grid]
    periods = 100 ** (torch.arange(head_dim // 4, device=device) * 4 / head_dim)
    coords = torch.stack(torch.meshgrid(*sides, indexing="ij"), -1).flatten(0, 1)
    angles = (2 * math.pi * coords[:, :, None] / periods).flatten(1).repeat(1, 2)
    return angles.cos(), angles.sin()


def eva_rotation(grid: tuple[int, int], head_dim: int, device: torch.device) -> Rotation:
    """Rotary positions of EVA-02 (Fang et al., 2023): both sides run from 0 to 16.

    The frequencies are ``10000 ** (-4 k / head_dim)``; the first half of a head turns by y, the
    second by x, each frequency for a pair of channels.
    """
    sides = [torch.arange(n, device=device) / n * 16 for n in grid]
    frequencies = 10000 ** (-torch.arange(head_dim // 4, device=device) * 4 / head_dim)
    coords = torch.stack(torch.meshgrid(*sides, indexing="ij"), -1).flatten(0, 1)
    angles = (coords[:, :, None] * frequencies).flatten(1).repeat_interleave(2, 1)
    return angles.cos(), angles.sin()


def resize_positions(table: Tensor, grid: tuple[int, int], *, antialias: bool) -> Tensor:
    """Resize a square table of learnt positions (1, n * n, C) to a grid: (1, h * w, C)."""
    side = math.isqrt(table.shape[1])
    if (side, side) == grid:
        return table
    square = table.float().unflatten(1, (side, side)).permute(0, 3, 1, 2)
    resized = F.interpolate(square, grid, mode="bicubic", antialias=antialias)
    return resized.flatten(2).transpose(1, 2).to(table.dtype)


def resize_kernel(kernel: Tensor, size: int) -> Tensor:
    """Resize the kernel (C,3,p,p) of a patch embedding to another patch size.

    An image that is resized along with the patch keeps its embedding: the kernel is multiplied by
    the pseudo-inverse of the resizing. Beyer et al., "FlexiViT", CVPR 2023, equation 4.
    """
    old = kernel.shape[-1]
    if old == size:
        return kernel
    basis = torch.eye(old * old).view(-1, 1, old, old)
    resized = F.interpolate(basis, (size, size), mode="bicubic", antialias=True).flatten(1)
    inverse = torch.linalg.pinv(resized)  # (size * size, old * old)
    flat = kernel.float().flatten(2) @ inverse.T
    return flat.unflatten(2, (size, size)).to(kernel.dtype)
