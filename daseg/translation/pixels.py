"""Between pixels, RGB 0..255, and what generators work on, -1..1."""

import torch
from torch import Tensor

from daseg.ops.logits import at_least_float32


def from_pixels(image: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """RGB 0..255, of any type, as -1..1 of type ``dtype``."""
    return image.to(dtype) / 127.5 - 1


def to_pixels(image: Tensor) -> Tensor:
    """-1..1 as RGB 0..255, at least float32."""
    return (at_least_float32(image) + 1) * 127.5
