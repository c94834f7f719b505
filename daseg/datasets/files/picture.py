"""Format, size, depth, pages and orientation of a picture file, from its bytes and header."""

import io
import os
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import cv2
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from daseg.utils import files
from daseg.utils.errors import DataError

# PIL tries no others: some of its readers start programs, or are of vector graphics.
Image.init()
FORMATS = tuple(
    name
    for name in ("PNG", "JPEG", "TIFF", "BMP", "DIB", "WEBP", "PPM", "GIF", "JPEG2000", "AVIF")
    if name in Image.OPEN  # a PIL may be built without one
)
TURNED = {
    2: "mirrored",
    3: "turned by 180 degrees",
    4: "flipped",
    5: "mirrored and turned by 90 degrees",
    6: "turned by 90 degrees",
    7: "mirrored and turned by 90 degrees",
    8: "turned by 90 degrees",
}
UPRIGHT = (
    "store it upright, without the tag (`magick mogrify -auto-orient FILE`), if the label is of "
    "the upright picture; else remove the tag (`exiftool -Orientation= FILE`)"
)
# Numbers of TIFF's tags, which EXIF has, too.
_SUBFILE, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION = 254, 258, 259, 262, 274
_CHANNELS, _SAMPLE_FORMAT = 277, 339
_LOSSY_TIFF = (6, 7, 33003, 33005, 34712, 34892, 50001)  # JPEG, JPEG 2000, WebP inside
_INTEGERS = {1: "unsigned", 2: "signed"}

# What OpenCV would say of a broken file on the standard error, daseg says with the file's name.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class Header(NamedTuple):
    """The header of a picture file.

    Attributes:
        kind: PIL's name of the format.
        mode: PIL's name of the kind of pixel.
        bits: Bits of a sample.
        kind_of_sample: "unsigned", "signed" or "float".
        top: Largest value of a sample, where the file states it (PPM); else None.
        channels: Samples per pixel, where the format states them (TIFF); else 0.
        white_is_zero: TIFF: 0 stands for white.
        lossless: False: compression has changed the pixels.
    """

    kind: str
    mode: str
    bits: int
    kind_of_sample: str
    top: int | None
    channels: int
    white_is_zero: bool
    lossless: bool


def read_bytes(path: str | os.PathLike[str], what: str) -> bytes:
    """The bytes of a picture file; the orientation tag of a TIFF is set to upright.

    Decoders turn a TIFF as its tag says, without an option not to.

    Raises:
        DataError: The file is missing, empty, or not a regular file.
    """
    try:
        files.require_regular(path, what)
        data = files.read_bytes(path)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(f"{what} {path} cannot be read: {why}") from error
    if not data:
        raise DataError(f"{what} {path} cannot be read: the file is empty")
    place = _tiff_orientation(data)
    if place is None:
        return data
    return data[: place[0]] + struct.pack(place[2] + "H", 1) + data[place[0] + 2 :]


def read_header(data: bytes, path: str | os.PathLike[str], what: str) -> Header:
    """Read the header of a picture.

    Raises:
        DataError: The file is not a picture, has too many pixels, or holds several pictures.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            pages = _pages(picture)
            header = _header(picture, data)
    except Image.DecompressionBombError as error:
        raise DataError(
            f"{what} {path} has more pixels than daseg reads: {error}. Cut it into tiles"
        ) from error
    except Exception as error:  # PIL has many ways to say that a file is broken
        reason = "not a picture, or a part of one is missing"
        raise DataError(f"{what} {path} cannot be read: {reason}") from error
    if pages > 1:
        raise DataError(
            f"{what} {path} holds {'several' if pages == 2 else pages} pictures ({header.kind}: an "
            "animation, or pages): store each in a file of its own"
        )
    return header


def _pages(picture: Image.Image) -> int:
    """Number of pictures in the file; 2 for an unknown number above one."""
    if picture.format == "MPO":  # a photograph, and a small or a second view of it
        return 1
    if not isinstance(picture, TiffImageFile):
        return 2 if getattr(picture, "is_animated", False) else 1
    pages = 0
    for frame in range(min(getattr(picture, "n_frames", 1), 64)):
        picture.seek(frame)  # smaller copies of the picture are no pages
        pages += frame == 0 or not int(picture.tag_v2.get(_SUBFILE, 0)) & 5
    picture.seek(0)
    return pages


def _header(picture: Image.Image, data: bytes) -> Header:
    kind, mode = str(picture.format), picture.mode
    bits, sample, top, channels, white_is_zero = 8, "unsigned", None, 0, False
    lossless = kind not in ("JPEG", "MPO", "JPEG2000", "AVIF")
    if kind == "WEBP":
        lossless = b"VP8L" in (data[12:16], *_riff_parts(data))
    if kind == "PNG":
        bits = data[24]
    elif isinstance(picture, TiffImageFile):
        tags = picture.tag_v2
        bits = max(tags.get(_BITS, (1,)))
        sample = _INTEGERS.get(max(tags.get(_SAMPLE_FORMAT, (1,))), "float")
        channels = int(tags.get(_CHANNELS, 1))
        white_is_zero = tags.get(_PHOTOMETRIC) == 0
        lossless = tags.get(_COMPRESSION) not in _LOSSY_TIFF
    elif kind == "PPM" and isinstance(picture, ImageFile):
        codec, args = picture.tile[0][0], picture.tile[0][3] or ()
        top = int(args[-1]) if codec.startswith("ppm") and isinstance(args[-1], int) else None
        bits = 16 if mode == "I" or (top or 0) > 255 or "16" in str(args) else 8
        sample = "float" if mode == "F" else sample
    elif mode.startswith("I;16"):
        bits = 16
    return Header(kind, mode, bits, sample, top, channels, white_is_zero, lossless)


def _riff_parts(data: bytes) -> Iterator[bytes]:
    at = 12
    while at + 8 <= len(data):
        yield data[at : at + 4]
        at += 8 + (int.from_bytes(data[at + 4 : at + 8], "little") + 1 & ~1)


def png_parts(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The parts of a PNG, each as its name and content.

    Raises:
        ValueError: A part is cut off, or its checksum is wrong.
    """
    at, name = 8, b""
    while at < len(data) and name != b"IEND":
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        body, crc = data[at + 8 : at + 8 + length], data[at + 8 + length : at + 12 + length]
        if len(crc) < 4:
            raise ValueError("a part of it is missing")
        if zlib.crc32(name + body) != int.from_bytes(crc, "big"):
            raise ValueError(f"its part {name.decode('latin-1')} is damaged (wrong checksum)")
        yield name, body
        at += 12 + length
    if name != b"IEND":
        raise ValueError("a part of it is missing")


def orientation(path: str | os.PathLike[str]) -> int:
    """The EXIF orientation of a picture, 1..8; 1: upright as it is stored.

    daseg reads pixels as they are stored and never turns them, neither images nor labels.
    """
    try:
        files.require_regular(path, "picture")
        data = files.read_bytes(path)
        place = _tiff_orientation(data)
        found = place[1] if place else _exif_orientation(data)
    except Exception:  # the tag of a broken file: reading its pixels says what is wrong
        return 1
    return found if found in TURNED else 1


def _exif_orientation(data: bytes) -> int:
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        if picture.format != "PNG":
            return int(picture.getexif().get(_ORIENTATION, 1))
        # PIL would decode the whole picture to look behind its pixels.
        for name, body in png_parts(data):
            if name == b"eXIf":
                exif = Image.Exif()
                exif.load(body)
                return int(exif.get(_ORIENTATION, 1))
        written = {"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"}
        return int(picture.getexif().get(_ORIENTATION, 1)) if written & set(picture.info) else 1


def _tiff_orientation(data: bytes) -> tuple[int, int, str] | None:
    """Offset and value of a TIFF's orientation tag, and the byte order; None without the tag."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    version = struct.unpack_from(order + "H", data, 2)[0] if order and len(data) >= 16 else 0
    if order is None or version not in (42, 43):
        return None
    big = version == 43
    (start,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    head, size, value = (8, 20, 12) if big else (2, 12, 8)
    if start + head > len(data):
        return None
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, start)
    for entry in range(start + head, start + head + size * min(count, 4096), size):
        if entry + size > len(data):
            return None
        if struct.unpack_from(order + "H", data, entry)[0] == _ORIENTATION:
            return entry + value, struct.unpack_from(order + "H", data, entry + value)[0], order
    return None
