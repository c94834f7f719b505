"""Bilinear resizing with ``align_corners`` always stated."""

import torch.nn.functional as F
from torch import Tensor

Size = tuple[int, int]  # (height, width) in pixels


def size_of(maps: Tensor) -> Size:
    """The (height, width) of maps (...,H,W)."""
    return maps.shape[-2], maps.shape[-1]


def resize(maps: Tensor, size: Size, align_corners: bool) -> Tensor:
    """Resize maps (N,C,h,w) bilinearly to (N,C,*size); the same tensor where nothing changes."""
    if size_of(maps) == tuple(size):
        return maps
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=align_corners)
