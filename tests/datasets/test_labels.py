"""The tables of ids, and the reading of label files."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from daseg.datasets import SYNTHIA, Cityscapes
from daseg.datasets.cityscapes import train_ids_to_label_ids
from daseg.datasets.files.io import read_ids, read_image
from daseg.datasets.label_reader import LabelReader
from daseg.evaluation.iou import SYNTHIA13, SYNTHIA16
from daseg.utils.errors import ConfigError, DataError


def png(path: Path, pixels: np.ndarray) -> None:
    """Write a 16-bit RGB PNG byte by byte, as the format's specification says."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)  # 16 bits, colour type 2: RGB
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


def test_cityscapes_ids_go_to_train_ids_and_back() -> None:
    train = np.array([[*range(19), 255]], np.uint8)
    label_ids = train_ids_to_label_ids(train)
    # From the published table.
    expected = [7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33, 0]
    assert label_ids.tolist() == [expected]
    reader = LabelReader(Cityscapes.TRAIN_IDS, Cityscapes.IGNORED)
    assert reader.table[label_ids].tolist() == train.tolist()


def test_cityscapes_void_ids_are_ignored_and_others_unknown() -> None:
    reader = LabelReader(Cityscapes.TRAIN_IDS, Cityscapes.IGNORED)
    void = [0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30, 255]
    assert np.flatnonzero(reader.table == 255).tolist() == void
    assert np.flatnonzero(reader.table < 254).tolist() == sorted(Cityscapes.TRAIN_IDS)


@pytest.mark.parametrize("wrong", [19, 254, -1, 256])
def test_train_ids_to_label_ids_refuses_what_is_none(wrong: int) -> None:
    with pytest.raises(DataError, match=rf"not train ids of Cityscapes.*\[{wrong}\]"):
        train_ids_to_label_ids(np.array([[0, wrong]]))


def test_synthia_evaluation_subsets() -> None:
    gone = [n for n in Cityscapes.CLASSES if n not in SYNTHIA16]
    assert gone == ["terrain", "truck", "train"]
    gone = [n for n in Cityscapes.CLASSES if n not in SYNTHIA13]
    assert gone == ["wall", "fence", "pole", "terrain", "truck", "train"]
    assert (len(SYNTHIA16), len(SYNTHIA13)) == (16, 13)
    assert sorted([*SYNTHIA.TRAIN_IDS, *SYNTHIA.IGNORED]) == list(range(23))
    assert sorted(SYNTHIA.TRAIN_IDS.values()) == list(range(19))


def test_16_bit_colour_png_keeps_all_bits_of_its_red_channel(tmp_path: Path) -> None:
    pixels = np.zeros((2, 3, 3), np.uint16)
    pixels[..., 0] = [[3, 22, 300], [0, 12, 65535]]
    pixels[..., 1] = 7  # instances, not to be read
    pixels[..., 2] = 9
    png(tmp_path / "a.png", pixels)
    ids = read_ids(tmp_path / "a.png", channel=0)
    assert ids.tolist() == [[3, 22, 300], [0, 12, 65535]]
    assert read_ids(tmp_path / "a.png", channel=1).tolist() == [[7] * 3] * 2


def test_palette_png_gives_its_indices(tmp_path: Path) -> None:
    indices = np.array([[7, 8, 33], [0, 26, 11]], np.uint8)
    picture = Image.fromarray(indices, mode="P")
    picture.putpalette([value for i in range(256) for value in (255 - i, i // 2, 99)])
    picture.save(tmp_path / "a.png")
    assert cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED).ndim == 3  # the trap
    assert read_ids(tmp_path / "a.png").tolist() == indices.tolist()


def test_16_bit_grey_png(tmp_path: Path) -> None:
    ids = np.array([[1, 700], [65535, 0]], np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), ids)
    assert read_ids(tmp_path / "a.png").tolist() == ids.tolist()


def test_colour_picture_is_no_label(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(DataError, match=r"a\.png is a colour picture of 3 channels.*label_channel"):
        read_ids(tmp_path / "a.png")
    with pytest.raises(DataError, match="no channel 3"):
        read_ids(tmp_path / "a.png", channel=3)


@pytest.mark.parametrize("read", [read_ids, read_image])
@pytest.mark.parametrize("damage", ["missing", "empty", "text", "cut"])
def test_broken_files_are_named(tmp_path: Path, read, damage: str) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.random.RandomState(0).randint(0, 99, (64, 64), np.uint8))
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "text": b"hello", "cut": data[: len(data) // 2]}[damage])
    with pytest.raises(DataError, match=r"a\.png cannot be read: \w+"):
        read(path)


def test_unknown_ids_are_listed_with_file_and_count(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.array([[7, 77, 77], [99, 0, 8]], np.uint8))
    reader = LabelReader(Cityscapes.TRAIN_IDS, Cityscapes.IGNORED)
    with pytest.raises(
        DataError,
        match=r"a\.png holds ids .*: 77 \(2 pixels\), 99 \(1 pixels\); known.*0\.\.33, 255",
    ):
        reader.read(tmp_path / "a.png")


def test_ids_beyond_16_bits_are_unknown(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 70000]], np.int32), mode="I").save(tmp_path / "a.tif")
    with pytest.raises(DataError, match=r"a\.tif holds ids .*: 70000 \(1 pixels\)"):
        LabelReader({0: 0}).read(tmp_path / "a.tif")


def test_a_map_that_cannot_work_is_refused() -> None:
    with pytest.raises(ConfigError, match="id_map sends 3 to 254"):
        LabelReader({3: 254})
    with pytest.raises(ConfigError, match=r"\[4\] are both mapped .*, as with ignored_ids=\[9\]"):
        LabelReader({4: 0}, ignored=(4, 9))
    with pytest.raises(ConfigError, match="label id -1 is not in"):
        LabelReader({-1: 0})
