"""Masks for pasting one image onto another, and for hiding parts of one.

All random numbers come from torch's global generator on the CPU, which the training loop seeds from
(seed, iteration, process): they are the same on every device, and nothing waits for it.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from daseg.ops.resize import Size


def class_mask(
    label: Tensor, num_classes: int, *, pool: Tensor | None = None, ignored: bool = False
) -> Tensor:
    """The pixels of a random half of each image's classes, rounded up.

    Olsson et al., "ClassMix", WACV 2021, algorithm 1, on labels.

    Args:
        label: (N,H,W), 0..num_classes - 1; larger values (255) are no class.
        num_classes: Number of classes.
        pool: Labels (M,...) that have the classes to draw a half of, for all images alike; those
            that an image has not paste nothing. None: each image's own.
        ignored: Whether "no class" is one of those that are drawn.

    Returns:
        (N,H,W), bool.
    """
    index = label.clamp(max=num_classes).flatten(1).long()
    drawn = num_classes + ignored
    if pool is None:
        present = _present(index, num_classes)[:, :drawn]
    else:
        present = _present(pool.clamp(max=num_classes).flatten().long()[None], num_classes)
        present = present[:, :drawn].expand(len(label), -1)
    lots = torch.rand(len(label), drawn).to(label.device, non_blocking=True)
    lots = lots.masked_fill(~present, -1)
    place = lots.argsort(dim=1, descending=True).argsort(dim=1)
    chosen = place < (present.sum(1, keepdim=True) + 1) // 2
    return F.pad(chosen, (0, num_classes + 1 - drawn)).gather(1, index).view_as(label)


def _present(index: Tensor, num_classes: int) -> Tensor:
    """Which values 0..num_classes each row of (N,P) has: (N,num_classes + 1), bool."""
    none = torch.zeros(len(index), num_classes + 1, dtype=torch.bool, device=index.device)
    return none.scatter_(1, index, True)


def box_mask(count: int, size: Size, device: torch.device | str = "cpu") -> Tensor:
    """One box in each of ``count`` images, of a share of the area that is uniform in 0..1.

    Yun et al., "CutMix", ICCV 2019, eq. (2), with Beta(1, 1); the box has the image's shape and
    lies inside of it, wherever there is room.

    Returns:
        (N,H,W), bool, on the device.
    """
    share, *place = torch.rand(3, count, 1)
    inside = []
    for length, at in zip(size, place, strict=True):
        side = (length * share.sqrt()).round()
        begin = (at * (length - side + 1)).floor()
        index = torch.arange(length)
        own = (begin <= index) & (index < begin + side)
        inside.append(own.to(device, non_blocking=True))
    rows, columns = inside
    return rows[:, :, None] & columns[:, None, :]


def block_mask(
    count: int, size: Size, block: int, hidden: float, device: torch.device | str = "cpu"
) -> Tensor:
    """The blocks of an image that stay visible, each drawn by itself.

    Hoyer et al., "MIC", CVPR 2023, eq. (3). As in the public code there are ``round(side / block)``
    blocks along a side, so that their sides differ from ``block`` where it does not divide the
    image's.

    Args:
        count: Number of images N.
        size: Their (height, width).
        block: Side of a block, pixels.
        hidden: Probability that a block is hidden, 0..1.
        device: Where the mask goes.

    Returns:
        (N,1,H,W), bool: True where the image is visible.
    """
    rows, columns = (max(round(side / block), 1) for side in size)
    keep = (torch.rand(count, 1, rows, columns) > hidden).float()
    return F.interpolate(keep.to(device, non_blocking=True), size, mode="nearest").bool()
