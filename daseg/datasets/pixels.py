"""What the numbers of an image may be: RGB or BGR, 0..255, whole or rounded to whole numbers."""

from typing import Any

import numpy as np

from daseg.utils.errors import DataError

_ROUNDING = 0.5  # by which a number may leave 0..255: it still rounds to 0 or 255
TO_ONE = "are all between 0 and 1"


class PixelError(DataError):
    """The numbers of an image are not 0..255, or it has not three channels."""


def complaint(image: Any) -> str | None:
    """What is wrong with an image (H,W,3) of numbers 0..255; None where nothing is.

    Numbers that are no integers may leave 0..255 by what rounding takes back, a half. Those that
    are all within 0..1 are refused, since they are most probably shares of 255; but an image that
    is black throughout, all 0, is the same in both.
    """
    if not isinstance(image, np.ndarray):
        return f"is a {type(image).__name__}, not an array (H,W,3)"
    if image.ndim != 3 or image.shape[2] != 3:
        return f"has the shape {image.shape}, not (H,W,3){_hint(image)}"
    if not image.size:
        return f"has no pixels: its shape is {image.shape}"
    if image.dtype == np.uint8:
        return None
    if image.dtype.kind not in "iuf":
        return f"is of type {image.dtype}, not uint8 or float with numbers 0..255"
    low, high = float(image.min()), float(image.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        return "has numbers that are NaN or infinite"
    if low < -_ROUNDING or high > 255 + _ROUNDING:
        kind = "16 bits a channel" if image.dtype.kind == "u" else "a normalised or scaled image"
        return f"has numbers from {low:.4g} to {high:.4g}, not 0..255 ({kind}?)"
    if image.dtype.kind == "f" and 0 < high <= 1:
        return f"has numbers that {TO_ONE}, not 0..255"
    return None


def _hint(image: np.ndarray) -> str:
    if image.ndim == 2:
        return ": it is grey; np.repeat(image[..., None], 3, 2) is the same in three channels"
    if image.ndim == 3 and image.shape[2] == 4:
        return ": leave out the fourth channel, image[..., :3]"
    if image.ndim == 3 and image.shape[2] == 1:
        return ": it is grey; np.repeat(image, 3, 2) is the same in three channels"
    if image.ndim == 3 and image.shape[0] == 3:
        return ": its channels come first; image.transpose(1, 2, 0) puts them last"
    return ""


def to_bytes(image: np.ndarray) -> np.ndarray:
    """The image as uint8, rounded to whole numbers; itself where it is.

    Raises:
        PixelError: `complaint` has one.
    """
    problem = complaint(image)
    if problem:
        raise PixelError(f"an image {problem}")
    return image if image.dtype == np.uint8 else rounded(image)


def rounded(image: np.ndarray) -> np.ndarray:
    """An image that `complaint` has nothing against, as uint8."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
