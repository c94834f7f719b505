"""PNGs through the extra decoder: the pixels, and the errors, are those of OpenCV and PIL."""

import io
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from daseg.datasets.files import io as files_io
from daseg.utils.errors import DataError

PIXELS = np.random.RandomState(0).randint(0, 256, (37, 53, 3), np.uint8)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(PIXELS).save(path, transparency=(1, 2, 3))
    return path


def with_gamma(data):
    """The PNG with a gamma, which no reader is to follow."""
    body = b"gAMA" + (220000).to_bytes(4, "big")
    return data[:33] + b"\0\0\0\4" + body + zlib.crc32(body).to_bytes(4, "big") + data[33:]


def test_pixels_are_those_that_were_stored(file):
    pytest.importorskip("kornia_rs")
    file.write_bytes(with_gamma(file.read_bytes()))
    assert np.array_equal(files_io.read_image(file), PIXELS[..., ::-1])
    by_opencv = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(files_io.read_image(file), by_opencv)


def test_it_is_used(file, monkeypatch):
    called = []

    def decode(data, size, mode):
        called.append((size, mode))
        with Image.open(io.BytesIO(data)) as picture:
            return np.array(picture)

    monkeypatch.setattr(files_io, "decode_image_png_u8", decode)
    assert np.array_equal(files_io.read_image(file), PIXELS[..., ::-1])
    assert called == [((37, 53), "rgb")]


@pytest.mark.parametrize("decoder", ["fast", "none"])
def test_a_damaged_file_is_refused_by_name(file, decoder, monkeypatch):
    if decoder == "fast":
        pytest.importorskip("kornia_rs")
    else:
        monkeypatch.setattr(files_io, "decode_image_png_u8", None)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(DataError, match=r"image .*a\.png cannot be read"):
        files_io.read_image(file)


def test_what_it_does_not_decode_opencv_does(file, monkeypatch):
    def decode(data, size, mode):
        raise ValueError("not this one")

    monkeypatch.setattr(files_io, "decode_image_png_u8", decode)
    assert np.array_equal(files_io.read_image(file), PIXELS[..., ::-1])


@pytest.fixture
def label(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(with_gamma(encoded(PIXELS[..., 0])))
    return path


def encoded(pixels, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", **options)
    return file.getvalue()


def palette_png(pixels):
    picture = Image.fromarray(pixels, "P")
    picture.putpalette([255 - index // 3 for index in range(768)])  # fewer colours take fewer bits
    file = io.BytesIO()
    picture.save(file, "PNG", transparency=1)
    assert file.getvalue()[24:26] == b"\x08\x03"  # 8 bits, indices
    return file.getvalue()


def test_ids_are_those_that_were_stored(label, monkeypatch):
    pytest.importorskip("kornia_rs")
    ids = files_io.read_ids(label)
    assert ids.dtype == np.uint8
    assert np.array_equal(ids, PIXELS[..., 0])
    with monkeypatch.context() as by_kornia:
        by_kornia.setattr(files_io, "_pil_array", None)
        label.write_bytes(encoded(PIXELS[..., 0], transparency=5))
        assert np.array_equal(files_io.read_ids(label), PIXELS[..., 0])
        label.write_bytes(palette_png(PIXELS[..., 1]))
        assert np.array_equal(files_io.read_ids(label), PIXELS[..., 1])


def test_a_byte_a_pixel_is_decoded_fast_and_others_as_before(label, monkeypatch):
    called = []

    def decode(data, size, mode):
        called.append((size, mode))
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.mode == "L"
            return np.array(picture)[..., None]

    monkeypatch.setattr(files_io, "decode_image_png_u8", decode)
    assert np.array_equal(files_io.read_ids(label), PIXELS[..., 0])
    label.write_bytes(palette_png(PIXELS[..., 1]))
    assert np.array_equal(files_io.read_ids(label), PIXELS[..., 1])
    assert called == 2 * [((37, 53), "mono")]
    label.write_bytes(encoded(PIXELS[..., 0] > 99))  # one bit a pixel
    assert np.array_equal(files_io.read_ids(label), PIXELS[..., 0] > 99)
    assert len(called) == 2


def test_ids_that_it_does_not_decode_pil_does(label, monkeypatch):
    def decode(data, size, mode):
        raise ValueError("not this one")

    monkeypatch.setattr(files_io, "decode_image_png_u8", decode)
    assert np.array_equal(files_io.read_ids(label), PIXELS[..., 0])
