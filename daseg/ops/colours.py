"""Class maps as pictures."""

from collections.abc import Sequence

import numpy as np

Palette = Sequence[Sequence[int]]


def default_palette(num_classes: int) -> list[list[int]]:
    """RGB colours for classes without any: the bit-reversed counting of PASCAL VOC's colour map.

    Colour ``i`` (from 1 on, so that black stays free) spreads its bits over the three channels'
    upper bits, which keeps neighbours far apart.
    """
    colours = []
    for index in range(1, num_classes + 1):
        colour = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                colour[channel] |= ((index >> (3 * bit + channel)) & 1) << (7 - bit)
        colours.append(colour)
    return colours


def colorize(label: np.ndarray, palette: Palette) -> np.ndarray:
    """Paint a class map.

    Args:
        label: (H, W) integers. Values without a colour (255 = ignore) become black.
        palette: A colour for each class, RGB 0..255.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    colours = np.zeros((len(palette) + 1, 3), np.uint8)  # the last one is for what has none
    colours[:-1] = palette
    has_colour = (label >= 0) & (label < len(palette))
    return colours[np.where(has_colour, label, len(palette))]


def overlay(
    image: np.ndarray, label: np.ndarray, palette: Palette, alpha: float = 0.5
) -> np.ndarray:
    """Lay a painted class map over its image; pixels without a class show the image alone.

    Args:
        image: (H, W, 3) uint8, RGB.
        label: (H, W) integers.
        palette: A colour for each class, RGB 0..255.
        alpha: Share of the colour, 0 (image alone) to 1 (colours alone).

    Returns:
        (H, W, 3) uint8, RGB.
    """
    mixed = (1 - alpha) * image + alpha * colorize(label, palette)
    has_colour = (label >= 0) & (label < len(palette))
    return np.where(has_colour[..., None], np.rint(mixed).astype(np.uint8), image)
