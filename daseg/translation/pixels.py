"""Between pixels, RGB 0..255, and what generators work on, -1..1."""

import torch
from torch import Tensor, nn

from daseg.ops.logits import at_least_float32


def from_pixels(image: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """RGB 0..255, of any type, as -1..1 of type ``dtype``."""
    return image.to(dtype) / 127.5 - 1


def to_pixels(image: Tensor) -> Tensor:
    """-1..1 as RGB 0..255, at least float32."""
    return (at_least_float32(image) + 1) * 127.5


@torch.no_grad()
def translate(
    generator: nn.Module,
    image: Tensor,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Tensor:
    """Translate images (N,3,H,W), RGB 0..255, uint8 or float, to float (N,3,H,W), 0..255.

    Args:
        generator: Maps images of -1..1 to the same.
        image: On any device; the result is on the generator's.
        memory_format: How the generator's weights are laid out in memory.
    """
    weight = next(generator.parameters())
    image = from_pixels(image.to(weight.device), weight.dtype)
    return to_pixels(generator(image.contiguous(memory_format=memory_format)))
