"""Read images and labels; every error names the file.

Pixels are read as the file stores them: an EXIF orientation tag is ignored for images and labels.
"""

import io
import os
import zlib
from typing import Any

import cv2
import numpy as np
from PIL import Image

from daseg.datasets.files.picture import Header, png_parts, read_bytes, read_header
from daseg.datasets.firewall import note_opened
from daseg.utils.errors import DataError

try:
    from kornia_rs.io import decode_image_png_u8
except ImportError:  # an extra of the package, for speed alone
    decode_image_png_u8 = None

# What OpenCV decodes as it stands in the file, if samples are of 8 bits.
_PLAIN = ("1", "L", "LA", "P", "RGB", "CMYK", "YCbCr")
_BY_OPENCV = ("PNG", "JPEG", "MPO", "BMP", "DIB", "WEBP", "PPM", "TIFF")
_STORED = cv2.IMREAD_IGNORE_ORIENTATION
FULL = 65535
_BRIGHT = 1 << 14  # what no sample of 14 bits reaches


class DarkError(DataError):
    """A 16-bit picture of unknown range, which might become black."""


def read_image(path: str | os.PathLike[str], max_value: int | None = None) -> np.ndarray:
    """Read an image as (H, W, 3) uint8 in BGR.

    Grey becomes three equal channels, palette indices their colours; alpha is dropped.

    Args:
        path: The file.
        max_value: Largest value that samples of 16-bit pictures have: 4095 for cameras of 12 bits.
            They become ``value * 256 // (max_value + 1)``. None: 65535, and a picture that hardly
            uses this range is an error, as it would become black. Others are not changed by it.

    Raises:
        DataError: The file is missing, empty, not a whole picture, or one that does not say what
            8-bit colours its samples stand for.
    """
    data = read_bytes(path, "image")
    header = read_header(data, path, "image")
    problem = _no_colours(header)
    if problem:
        raise DataError(f"image {path} {problem}")
    if header.bits == 16:
        return _from_16_bits(_deep(data, header, path), path, max_value)
    by_opencv = header.kind in _BY_OPENCV and header.top is None
    if header.kind == "TIFF":  # OpenCV reads no 2 and 4 bits, and multiplies colours with alpha
        by_opencv = header.mode in _PLAIN and header.bits in (1, 8)
    if header.kind == "PNG" and header.mode == "RGB":
        return decode_rgb_png(data, path)
    if by_opencv:
        return _decode(data, path, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(_pil_array(data, path, "image", "RGB")[..., ::-1])


def read_rgb(path: str | os.PathLike[str], max_value: int | None = None) -> np.ndarray:
    """Read an image as (H, W, 3) uint8 in RGB; arguments and errors are those of `read_image`."""
    return np.ascontiguousarray(read_image(path, max_value)[..., ::-1])


def _no_colours(header: Header) -> str:
    """Why the samples of such a picture cannot be converted to 8-bit colours; "" if they can."""
    if header.kind_of_sample == "float" or header.mode == "F":
        return "has floating-point samples, whose range the file does not say: convert it to 8 bits"
    if header.kind_of_sample == "signed":
        return "has signed samples, whose range the file does not say: convert it to 8 bits"
    if header.bits not in (1, 2, 4, 8, 16):
        return f"has samples of {header.bits} bits: convert it to 8 bits"
    if header.white_is_zero and header.bits == 16:
        return "has samples of 16 bits where 0 stands for white: convert it to 8 bits"
    if header.mode == "LAB":
        return "has colours of CIELAB: convert it to RGB"
    return ""


def _from_16_bits(
    samples: np.ndarray, path: str | os.PathLike[str], max_value: int | None
) -> np.ndarray:
    """8 bits of (H, W, 3) uint16."""
    top = int(samples.max())
    if max_value is None:
        # Not the largest value alone: a camera of 12 bits may have a broken pixel.
        used = top if samples.size < 4096 else int(np.quantile(samples, 0.999))
        if 0 < used < _BRIGHT:
            few = ", but for one in a thousand," if used < top else ""
            raise DarkError(
                f"image {path} is a 16-bit picture, but its values{few} end at {used} of {FULL}: a "
                f"camera of {max(used.bit_length(), 8)} bits? It would become nearly black. Say "
                "the range: dict(type='LoadImageFromFile', max_value=4095) for 12 bits, 65535 if "
                "the picture is so dark; in the test pipeline it holds for daseg predict, too"
            )
        max_value = FULL
    if top > max_value:
        raise DataError(f"image {path} has the value {top}, above max_value={max_value}")
    return (samples.astype(np.uint32) * 256 // (max_value + 1)).astype(np.uint8)


def _deep(data: bytes, header: Header, path: str | os.PathLike[str]) -> np.ndarray:
    """(H, W, 3) uint16, in BGR."""
    if header.top is None:
        return _decode(data, path, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    grey = _pil_array(data, path, "image")  # a PPM whose header says its range; PIL scales to 16
    if grey.ndim == 3:
        return grey[..., ::-1].astype(np.uint16) * 257
    return np.repeat(grey[..., None].astype(np.uint16), 3, axis=2)


def _decode(
    data: bytes, path: str | os.PathLike[str], flag: int, what: str = "image"
) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flag | _STORED)
    if pixels is None:
        raise DataError(f"{what} {path} cannot be read: not a picture, or a part of one is missing")
    return pixels


def decode_rgb_png(data: Any, path: str | os.PathLike[str]) -> np.ndarray:
    """The pixels of a PNG in RGB with 8 bits, as OpenCV gives them: (H, W, 3) BGR.

    With kornia_rs in less than half the time.

    Raises:
        DataError: It is broken.
    """
    size = int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big")
    if decode_image_png_u8 is not None:
        try:
            rgb = decode_image_png_u8(data, size, "rgb")
        except Exception:  # kornia_rs has no error of its own; what OpenCV cannot read, it names
            return _decode(data, path, cv2.IMREAD_COLOR)
        return cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return _decode(data, path, cv2.IMREAD_COLOR)


def _fast_bytes(parts: list[tuple[bytes, bytes]]) -> np.ndarray | None:
    """The bytes (H, W) that a PNG in grey or of palette indices stores, by kornia_rs.

    It is given the PNG as one in grey, without palette and transparency, that stores the same.

    Args:
        parts: Those of `png_parts`, of a PNG of 8 bits.

    Returns:
        The bytes; None without kornia_rs, or where it cannot read them: PIL says why. One broken
        file it does read, where PIL says "broken data stream": whose pixels are all there, but not
        their right Adler-32 checksum, the one within the compressed data.
    """
    if decode_image_png_u8 is None:
        return None
    size, written = (0, 0), [b"\x89PNG\r\n\x1a\n"]
    for name, body in parts:
        if name == b"IHDR":
            size = int.from_bytes(body[4:8], "big"), int.from_bytes(body[:4], "big")
            body = body[:9] + b"\0" + body[10:]  # the kind of colours
        elif name not in (b"IDAT", b"IEND"):
            continue
        crc = zlib.crc32(name + body).to_bytes(4, "big")
        written += [len(body).to_bytes(4, "big"), name, body, crc]
    try:
        return np.reshape(decode_image_png_u8(b"".join(written), size, "mono"), size)
    except Exception:  # kornia_rs has no error of its own
        return None


def _pil_array(
    data: bytes, path: str | os.PathLike[str], what: str, mode: str | None = None
) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return np.array(picture if mode is None else picture.convert(mode))
    except Exception as error:  # PIL has many ways to say that a file is broken
        raise DataError(f"{what} {path} cannot be read: {error}") from error


def read_ids(path: str | os.PathLike[str], channel: int | None = None) -> np.ndarray:
    """Read the raw ids of a label file: the sample values as they are stored.

    Label files are opened in this function only; the label firewall counts here.

    Args:
        path: A picture of one channel of integers: grey of 1 to 32 bits, or palette indices.
        channel: For pictures of several channels, the one that holds the ids: 0 red, 1 green,
            2 blue. None: such a picture is an error.

    Returns:
        (H, W) integers.

    Raises:
        DataError: The file is missing, not a whole picture, has channels nobody asked for, or
            stores no ids: lossy or floating-point samples.
    """
    note_opened(path)
    data = read_bytes(path, "label")
    header = read_header(data, path, "label")
    problem = _no_ids(header)
    if problem:
        raise DataError(f"label {path} {problem}")
    if header.kind == "PNG":
        try:
            parts = list(png_parts(data))
        except ValueError as error:
            raise DataError(f"label {path} cannot be read: {error}") from error
        ids = _fast_bytes(parts) if header.mode in ("L", "P") and header.bits == 8 else None
        if ids is not None:
            return ids
    one = header.mode in ("1", "L", "P", "I") or header.mode.startswith("I;16")
    if header.kind == "BMP" and header.mode == "L" and data[28] == 4:
        return _decode(data, path, cv2.IMREAD_GRAYSCALE, "label")  # its palette is grey 0..15
    if one and header.channels < 2:
        return _stored(_pil_array(data, path, "label"), header)
    return _one_channel(data, path, channel, header)


def _no_ids(header: Header) -> str:
    """Why a label file of this kind cannot store ids; "" if it can."""
    if not header.lossless:
        return (
            f"is a {header.kind} that changes pixels when it is stored: ids would be wrong. Make "
            "it again, as PNG, from what it was made of"
        )
    if header.kind_of_sample == "float" or header.mode == "F":
        return (
            "has floating-point or complex samples; a label holds one whole number a pixel. "
            "Convert it to 8 or 16 bits"
        )
    if header.kind == "PPM" and header.mode == "1":
        return "is a PBM, where 1 means black: convert it to PNG, so that its ids are certain"
    return ""


def _stored(ids: np.ndarray, header: Header) -> np.ndarray:
    """The stored values of a picture that PIL has converted to grey."""
    ids = ids.astype(np.uint8) if ids.dtype == bool else ids
    if header.mode == "L" and header.bits < 8:  # spread over 0..255
        ids = ids // (255 // (2**header.bits - 1))
    if header.top is not None:  # PPM: so is the range that its header says
        full = 255 if header.mode == "L" else FULL
        ids = np.rint(ids.astype(np.float64) * header.top / full).astype(np.uint16)
    if header.white_is_zero and header.mode in ("1", "L"):  # turned round, so that 0 is black
        ids = 2**header.bits - 1 - ids
    if header.kind_of_sample == "signed" and header.bits == 8:
        ids = ids.view(np.int8)
    if header.kind_of_sample == "unsigned" and header.bits == 32:
        ids = ids.view(np.uint32)
    return ids


def _one_channel(
    data: bytes, path: str | os.PathLike[str], channel: int | None, header: Header
) -> np.ndarray:
    # Not PIL: it cuts 16-bit colour channels down to 8 bits.
    ids = _decode(data, path, cv2.IMREAD_UNCHANGED, "label")
    count = header.channels or len(header.mode)
    if channel is None:
        raise DataError(
            f"label {path} is a colour picture of {count} channels ({header.mode}); a label holds "
            "one class id a pixel. Convert it, or say which channel holds the ids (label_channel)"
        )
    if ids.ndim == 2 or not 0 <= channel < min(ids.shape[2], 3):
        raise DataError(f"label {path} has no channel {channel} (0 red, 1 green, 2 blue)")
    return ids[..., 2 - channel]  # OpenCV's order is blue, green, red
