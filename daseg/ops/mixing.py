"""Masks for pasting one image onto another, and the augmentation of the mixture.

All random numbers come from torch's global generator on the CPU, which the training loop seeds from
(seed, iteration, process): they are the same on every device, and nothing waits for it.
"""

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as V

from daseg.ops.resize import Size

BLUR_SIGMA = (0.15, 1.15)  # pixels
BLUR_WIDTH = 9  # of the window: four pixels to each side, more than three of the largest sigma


def class_mask(label: Tensor, num_classes: int) -> Tensor:
    """The pixels of a random half of each image's classes, rounded up.

    Olsson et al., "ClassMix", WACV 2021, algorithm 1, on labels.

    Args:
        label: (N,H,W), 0..num_classes - 1; larger values (255) are no class.
        num_classes: Number of classes.

    Returns:
        (N,H,W), bool.
    """
    index = label.clamp(max=num_classes).flatten(1).long()
    present = torch.zeros(len(label), num_classes + 1, dtype=torch.bool, device=label.device)
    present = present.scatter_(1, index, True)[:, :num_classes]
    lots = torch.rand(len(label), num_classes).to(label.device, non_blocking=True)
    lots = lots.masked_fill(~present, -1)
    place = lots.argsort(dim=1, descending=True).argsort(dim=1)
    chosen = place < (present.sum(1, keepdim=True) + 1) // 2
    return F.pad(chosen, (0, 1)).gather(1, index).view_as(label)


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


def augment_colors(image: Tensor, jitter: float, jitter_prob: float, blur_prob: float) -> Tensor:
    """Change the colours of some images, and blur some of them.

    Brightness, contrast and saturation are multiplied by factors of 1 - jitter .. 1 + jitter, the
    hue is turned by up to ``jitter`` of a circle; the Gaussian blur has a sigma of 0.15..1.15
    pixels.

    Args:
        image: (N,3,H,W), RGB 0..255, uint8 or float.
        jitter: Strength of the change of colours, 0..0.5.
        jitter_prob: Probability of it, for each image.
        blur_prob: Probability of the blur, for each image.

    Returns:
        (N,3,H,W), float; changed colours are in 0..255.
    """
    image = image if image.is_floating_point() else image.float()
    with torch.autocast(image.device.type, enabled=False):  # a blur in 16 bits has few grey levels
        return torch.stack([_augment_one(one, jitter, jitter_prob, blur_prob) for one in image])


def _augment_one(image: Tensor, jitter: float, jitter_prob: float, blur_prob: float) -> Tensor:
    # All are drawn in any case: the next image's do not depend on what was done to this one.
    jitters, blurs, sigma, *changes = torch.rand(7).tolist()
    brightness, contrast, saturation, hue = (jitter * (2 * change - 1) for change in changes)
    if jitters < jitter_prob:
        image = V.adjust_brightness((image / 255).clamp(0, 1), 1 + brightness)
        image = V.adjust_contrast(image, 1 + contrast)
        image = V.adjust_saturation(image, 1 + saturation)
        image = 255 * V.adjust_hue(image, hue)
    if blurs < blur_prob:
        low, high = BLUR_SIGMA
        image = V.gaussian_blur(image, [BLUR_WIDTH] * 2, [low + sigma * (high - low)] * 2)
    return image
