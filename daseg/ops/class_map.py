"""The class of the largest logit at each pixel, without all logits at full size."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from daseg.ops.resize import Size, resize, size_of

BLOCK = 1 << 20  # logits at a time, 4 MiB: they stay in the processor's cache
SURE = 4  # from this stretching on it pays to look for the pixels that are clear
MARGIN = 2.0**-19  # of the largest logit: several times what the sums of a resizing round away


def largest_class(logits: Tensor, size: Size, align_corners: bool) -> Tensor:
    """Resize class maps and take the largest at each pixel: (N,K,h,w) to (N,*size) uint8.

    Equal bit for bit to ``resize(logits.contiguous(), size, align_corners).argmax(1).byte()``,
    which a GPU runs; of equal logits the first class counts. On the CPU the maps are stretched to
    their width first and then, a few columns at a time, to their height, which adds up in the
    order of `resize`. All 19 maps of 2048x1024 at once are 152 MiB: to get and to fill them
    takes longer than to compute them. Where maps are stretched far, most columns need not even
    this, see `_clear_pixels`.

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
                filled.copy_(_first_largest(part))
        return classes
    if not maps.isfinite().all():  # 0 times infinity is not 0: in two steps it spreads further
        return resize(maps, size, align_corners).argmax(1).byte()
    stretched = resize(maps, (size_of(maps)[0], width), align_corners)
    step = max(1, BLOCK // (count * height))
    for own, out in zip(stretched, classes, strict=True):
        columns: Sequence[slice | Tensor] = [slice(x, x + step) for x in range(0, width, step)]
        if height >= SURE * size_of(maps)[0]:
            unclear = _clear_pixels(own, out, align_corners)
            columns = unclear.split(step) if len(unclear) else ()
        for some in columns:
            part = own[None, ..., some].contiguous()
            block = resize(part, (height, part.shape[-1]), align_corners)
            out[:, some] = _first_largest(block[0])
    return classes


def _first_largest(maps: Tensor) -> Tensor:
    """Index of the largest of K maps (K,h,w) at each pixel, the first of equal ones: (h,w) uint8.

    Not ``argmax``, which goes through the classes pixel by pixel; and numpy compares five times as
    fast as torch.
    """
    values = maps.numpy()
    largest, is_any = _first(values == values.max(0))
    if is_any.all():
        return torch.from_numpy(largest)
    return maps.argmax(0).byte()  # what is no number equals nothing, and is the largest to torch


def _first(is_one: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index (...) uint8 of the first of K (K,...) that is true, and whether there is one."""
    count = len(is_one)
    rank = np.arange(count, 0, -1, dtype=np.uint8).reshape(-1, *[1] * (is_one.ndim - 1))
    highest = np.multiply(is_one.view(np.uint8), rank).max(0)
    return np.subtract(count, highest, dtype=np.uint8), highest > 0


def _count(is_one: np.ndarray) -> np.ndarray:
    """How many of K (K,...) are true; a byte is enough, and adding bytes is fast."""
    return np.asarray(is_one.view(np.uint8).sum(0, dtype=np.uint8))


def _clear_pixels(maps: Tensor, out: Tensor, align_corners: bool) -> Tensor:
    """Fill in the classes of maps (K,h,W) stretched to (H,W); return the columns left to do.

    A stretched value lies between the two values that it is made of, so a class whose larger one is
    below the smaller one of another class is nowhere between them the largest. Of the classes
    that are left, the values are computed, in any order of adding up. A column in which
    two of them come closer than rounding can tell is returned: its classes are wrong in ``out``.

    Args:
        maps: Finite logits, stretched to the width already.
        out: (H,W) uint8, filled in place.
        align_corners: As in `resize`.
    """
    values, filled = maps.numpy(), out.numpy()
    near = MARGIN * float(np.abs(values).max())
    is_unclear = np.zeros(values.shape[2], bool)
    for rows, upper, lower, weight in _bands(values.shape[1], len(filled), align_corners):
        above, below = values[:, upper], values[:, lower]  # (K,W) each
        least = np.minimum(above, below).max(0) - near
        is_possible = np.maximum(above, below) >= least
        filled[rows] = _first(is_possible)[0]
        mixed = np.flatnonzero(_count(is_possible) > 1)
        classes = np.flatnonzero(is_possible[:, mixed].any(1))
        if not mixed.size:
            continue
        place = np.ix_(classes, mixed)
        start = above[place][:, None]
        between = (below[place][:, None] - start) * weight[:, None]  # (classes, rows, columns)
        between += start
        is_close = between >= between.max(0) - near
        filled[rows, mixed] = classes[_first(is_close)[0]]
        is_unclear[mixed] |= (_count(is_close) > 1).any(0)
    return torch.from_numpy(np.flatnonzero(is_unclear))


def _bands(
    source: int, height: int, align_corners: bool
) -> list[tuple[slice, int, int, np.ndarray]]:
    """Output rows that lie between the same two source rows, and the weight of the lower one.

    `resize` itself says where they are: it is given the numbers of the rows, which it interpolates,
    and their parity, of which it gives the weights as it computes them.
    """
    numbers = torch.arange(source, dtype=torch.float32)
    both = torch.stack([numbers, numbers % 2])[None, :, :, None]
    place, odd = resize(both, (height, 1), align_corners)[0, :, :, 0].numpy()
    nearest = np.rint(place).astype(int)
    upper = np.where(place < nearest, nearest - 1, nearest)
    weight = np.where(upper % 2 == 0, odd, 1 - odd)
    starts = [0, *(np.flatnonzero(np.diff(upper)) + 1), height]
    return [
        (slice(a, b), upper[a], min(upper[a] + 1, source - 1), weight[a:b])
        for a, b in pairwise(starts)
    ]
