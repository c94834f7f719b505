"""The class of the largest logit at each pixel, without a copy of all logits at full size."""

import numpy as np
import torch
from torch import Tensor

from daseg.ops.resize import Size, resize, size_of

BLOCK = 1 << 20  # logits at a time, 4 MiB: they stay in the processor's cache


def largest_class(logits: Tensor, size: Size, align_corners: bool) -> Tensor:
    """Resize class maps and take the largest at each pixel: (N,K,h,w) to (N,*size) uint8.

    Equal bit for bit to ``resize(logits.contiguous(), size, align_corners).argmax(1).byte()``,
    which a GPU runs; of equal logits the first class counts. On the CPU the maps are stretched to
    their width first and then, a few columns at a time, to their height, which adds up in the
    order of `resize`. All 19 maps of 2048x1024 at once are 152 MiB: to get and to fill them
    takes longer than to compute them.

    Args:
        logits: Logits or probabilities of 256 classes at most.
        size: (height, width) of the result.
        align_corners: As in `resize`.
    """
    maps = logits.contiguous()
    count, (height, width) = maps.shape[1], size
    if maps.device.type != "cpu" or count > 255:
        return resize(maps, size, align_corners).argmax(1).byte()
    classes = torch.empty((len(maps), height, width), dtype=torch.uint8)
    if size_of(maps) == (height, width):
        rows = max(1, BLOCK // (count * width))
        for own, out in zip(maps, classes, strict=True):
            for part, filled in zip(own.split(rows, 1), out.split(rows, 0), strict=True):
                _first_largest(part, filled)
        return classes
    if not maps.isfinite().all():  # 0 times infinity is not 0: in two steps it spreads further
        return resize(maps, size, align_corners).argmax(1).byte()
    maps = resize(maps, (size_of(maps)[0], width), align_corners)
    columns = max(1, BLOCK // (count * height))
    for own, out in zip(maps.split(1), classes, strict=True):
        for part, filled in zip(own.split(columns, 3), out.split(columns, 1), strict=True):
            block = resize(part.contiguous(), (height, part.shape[-1]), align_corners)
            _first_largest(block[0], filled)
    return classes


def _first_largest(maps: Tensor, out: Tensor) -> None:
    """Index of the largest of K maps (K,h,w) at each pixel, the first of equal ones, into (h,w).

    Not ``argmax``, which goes through the classes pixel by pixel and takes ten times as long; and
    numpy's comparison takes a fifth of the time of torch's.
    """
    values, count = maps.numpy(), len(maps)
    rank = np.arange(count, 0, -1, dtype=np.uint8)[:, None, None]
    found = (values == values.max(0)).view(np.uint8)
    largest = np.multiply(found, rank, out=found).max(0)
    if largest.all():
        np.subtract(count, largest, out=out.numpy())
    else:  # what is no number equals nothing, and is the largest to torch
        out.copy_(maps.argmax(0))
