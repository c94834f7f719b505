"""Reading images and labels; every failure names the file."""

import io
import os
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from daseg.datasets.firewall import note_opened
from daseg.utils.errors import DataError

# PIL's names for pictures of one channel. Palette pictures ("P") give their indices here, where
# OpenCV would give colours.
_ONE_CHANNEL = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L")


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an image as (H, W, 3) uint8 in BGR.

    Raises:
        DataError: The file is missing, empty or not a whole picture.
    """
    image = _decode(_bytes(path, "image"), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"image {path} cannot be read: not a picture, or a part of one is missing")
    return image


def read_ids(path: str | os.PathLike[str], channel: int | None = None) -> np.ndarray:
    """Read the raw ids of a label file, as they stand in it.

    The only function of daseg's that opens one; the label firewall counts here.

    Args:
        path: A picture of one channel (8 or 16 bit, or palette indices).
        channel: For pictures of several channels, the one that holds the ids: 0 red, 1 green,
            2 blue. None: such a picture is an error.

    Returns:
        (H, W) integers.

    Raises:
        DataError: The file is missing, not a whole picture, or has channels nobody asked for.
    """
    note_opened(path)
    data = _bytes(path, "label")
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.mode in _ONE_CHANNEL:
                ids = np.asarray(picture)
                return ids.astype(np.uint8) if ids.dtype == bool else ids
    except Exception as error:  # PIL has many ways to say that a file is broken
        raise DataError(f"label {path} cannot be read: {error}") from error
    return _one_channel(data, path, channel)


def _one_channel(data: bytes, path: str | os.PathLike[str], channel: int | None) -> np.ndarray:
    # Not PIL: it cuts 16-bit colour channels down to 8 bits.
    ids = _decode(data, cv2.IMREAD_UNCHANGED)
    if ids is None:
        raise DataError(f"label {path} cannot be read: not a picture, or a part of one is missing")
    if ids.ndim == 2:
        return ids
    if channel is None:
        raise DataError(
            f"label {path} is a colour picture of {ids.shape[2]} channels; a label holds one "
            "class id a pixel. Convert it, or say which channel holds the ids (label_channel)"
        )
    if not 0 <= channel < min(ids.shape[2], 3):
        raise DataError(f"label {path} has no channel {channel} (0 red, 1 green, 2 blue)")
    return ids[..., 2 - channel]  # OpenCV's order is blue, green, red


def _bytes(path: str | os.PathLike[str], kind: str) -> bytes:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{kind} {path} cannot be read: {error.strerror}") from error
    if not data:
        raise DataError(f"{kind} {path} cannot be read: the file is empty")
    return data


def _decode(data: bytes, flag: int) -> np.ndarray | None:
    return cv2.imdecode(np.frombuffer(data, np.uint8), flag)
