"""What the numbers of an image may be: RGB or BGR, 0..255, whole or rounded to whole numbers."""

from typing import Any

import numpy as np
from PIL import Image

from daseg.utils.errors import DataError

_ROUNDING = 0.5  # by which a number may leave 0..255: it still rounds to 0 or 255
TO_ONE = "are all between 0 and 1"
_PICTURES = ("RGB", "L", "P", "1", "RGBA", "LA", "PA", "RGBX", "RGBa", "La")  # modes of PIL's
_TENSOR = ": of a tensor (3,H,W) give image.permute(1, 2, 0).cpu().numpy()"
_SHARES = ": multiply it by 255; one that is as dark as that is given as uint8"


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


def rounded(image: np.ndarray) -> np.ndarray:
    """An image that `complaint` has nothing against, as uint8."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def rgb_of(image: Any) -> np.ndarray:
    """An image that a program gives, as an array (H,W,3), RGB 0..255, uint8 or float32.

    Args:
        image: An array (H,W,3), RGB, of integers or floats 0..255, or a picture of PIL's of 8 bits
            a channel: in grey, with a palette, or with an alpha channel, which is left out, as it
            is where the picture is read from its file.

    Raises:
        PixelError: It is something else, or has other numbers: see `complaint`.
    """
    if isinstance(image, Image.Image):
        if image.mode not in _PICTURES:
            raise PixelError(
                f"a PIL picture of mode {image.mode!r} is none of {', '.join(_PICTURES)}, whose "
                "channels have 8 bits: convert it, so that its numbers are 0..255"
            )
        image = np.array(image.convert("RGB"))
    if not isinstance(image, np.ndarray):
        raise PixelError(
            "expected the path of an image file, a PIL picture or an array (H,W,3), RGB 0..255, "
            f"got a {type(image).__name__}{_TENSOR if hasattr(image, 'permute') else ''}"
        )
    if image.ndim != 3 or image.shape[2] != 3:
        raise PixelError(f"expected an image of shape (H,W,3), got {image.shape}{_hint(image)}")
    problem = complaint(image)
    if problem:
        raise PixelError(f"the image {problem}{_SHARES if TO_ONE in problem else ''}")
    if image.dtype == np.uint8:
        return image
    return image.astype(np.float32) if image.dtype.kind == "f" else rounded(image)
