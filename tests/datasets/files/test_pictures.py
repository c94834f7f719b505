"""Images as they are stored: turned photographs, 16 bits, other loaders."""

from pathlib import Path

import cv2
import mmcv.transforms
import numpy as np
import pytest
from PIL import Image

import rasters
from daseg.api import read_rgb
from daseg.datasets import FolderDataset, LoadImageFromFile
from daseg.datasets.files.io import read_ids, read_image
from daseg.datasets.files.picture import orientation
from daseg.datasets.pipeline import Pipeline
from daseg.registry import TRANSFORMS
from daseg.utils.errors import ConfigError, DataError


def photo(path: Path, turn: int | None = None, size: tuple[int, int] = (20, 30)) -> np.ndarray:
    """Write a photograph of (height, width), with an EXIF tag; return its pixels as stored, RGB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[: size[0], : size[1]]
    pixels = np.stack([x * 8, y * 12, 200 - 3 * x], 2).astype(np.uint8)
    tags = Image.Exif()
    if turn is not None:
        tags[0x0112] = turn
    Image.fromarray(pixels).save(path, quality=98, exif=tags)
    return pixels


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("turn", [3, 6])
def test_no_reader_turns_a_picture(tmp_path: Path, suffix: str, turn: int) -> None:
    pixels = photo(tmp_path / f"a{suffix}", turn).astype(int)
    loader = Pipeline([dict(type="LoadImageFromFile")])
    loaded = loader(dict(img_path=str(tmp_path / f"a{suffix}")))
    assert loaded["ori_shape"] == loaded["img_shape"] == (20, 30)
    for image in (read_rgb(tmp_path / f"a{suffix}"), loaded["img"][..., ::-1]):
        assert image.shape == (20, 30, 3)
        assert np.abs(image.astype(int) - pixels).max() < 12
    assert orientation(tmp_path / f"a{suffix}") == turn


def test_ordinary_pictures_are_those_that_opencv_reads(tmp_path: Path) -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (19, 23, 3), np.uint8)
    for end in ("png", "jpg", "bmp", "webp", "tif", "ppm"):
        path = str(tmp_path / f"a.{end}")
        cv2.imwrite(path, pixels)
        assert np.array_equal(read_image(path), cv2.imread(path))
        mmcvs = mmcv.transforms.LoadImageFromFile()(dict(img_path=path))
        ours = LoadImageFromFile()(dict(img_path=path))
        assert np.array_equal(mmcvs["img"], ours["img"])
        assert mmcvs["ori_shape"] == ours["ori_shape"]


def test_a_label_of_the_turned_picture_is_told_by_exif_not_by_stretching(tmp_path: Path) -> None:
    photo(tmp_path / "images/a.jpg", 6)
    (tmp_path / "labels").mkdir()
    Image.new("L", (20, 30)).save(tmp_path / "labels/a.png")
    with pytest.raises(DataError, match=r"30x20 .*20x30: the image's EXIF tag \(orient") as caught:
        FolderDataset(tmp_path, ["a"])[0]
    assert "resize" not in str(caught.value)


@pytest.mark.parametrize(("top", "largest"), [(1023, 255), (4095, 255), (16383, 255)])
def test_a_range_that_is_not_16_bits_is_refused_unless_said(
    tmp_path: Path, top: int, largest: int
) -> None:
    ramp = np.linspace(0, top, 40).astype(int)[None].repeat(5, 0)
    path = tmp_path / "a.png"
    path.write_bytes(rasters.png(ramp, 16))
    with pytest.raises(DataError, match=rf"a\.png is a 16-bit picture, .* end at {top} of 65535"):
        read_image(path)
    load = LoadImageFromFile(max_value=top)
    found = load(dict(img_path=str(path)))["img"][..., 0]
    assert found.tolist() == (ramp * 256 // (top + 1)).tolist()
    assert found.max() == largest
    with pytest.raises(DataError, match=rf"the value {top}, above max_value=500"):
        read_image(path, 500)
    assert np.array_equal(read_image(path, 65535)[..., 0], ramp >> 8)
    with pytest.warns(UserWarning, match="16-bit picture"):
        assert np.array_equal(read_rgb(path)[..., 0], ramp >> 8)


def test_a_broken_pixel_does_not_hide_that_a_camera_has_12_bits(tmp_path: Path) -> None:
    picture = np.random.RandomState(0).randint(0, 4096, (80, 80))
    picture[3, 4] = 65535
    (tmp_path / "a.png").write_bytes(rasters.png(picture, 16))
    with pytest.raises(
        DataError, match=r"but for one in a thousand, end at 40\d\d .*: a camera of 12 bits"
    ):
        read_image(tmp_path / "a.png")


def test_options_of_the_loader() -> None:
    for wrong in (dict(color_type="unchanged"), dict(imdecode_backend="pillow")):
        with pytest.raises(ConfigError, match="color_type is 'color' and imdecode_backend 'cv2'"):
            LoadImageFromFile(**wrong)
    for value in (100, 70000, 4095.0, True):
        with pytest.raises(ConfigError, match="max_value is a whole number from 255 to 65535"):
            LoadImageFromFile(max_value=value)


def test_mmcvs_loader_is_not_taken_in_its_place() -> None:
    theirs = mmcv.transforms.LoadImageFromFile
    assert TRANSFORMS.get("LoadImageFromFile") is LoadImageFromFile
    nested = dict(type="RandomApply", transforms=[dict(type=theirs)])
    for step in (dict(type=theirs), theirs(), dict(type="mmcv.LoadImageFromFile"), nested):
        with pytest.raises(ConfigError, match=r"mmcv's own LoadImageFromFile.*which is daseg's"):
            Pipeline([step])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (rasters.tiff(np.zeros((2, 2), int), 32, sample_format=3), "floating-point or complex"),
        (rasters.png(np.zeros((2, 2, 4), int)), "colour picture of 4 channels"),
        (rasters.png(np.zeros((2, 2, 2), int)), "colour picture of 2 channels"),
        (rasters.tiff(np.zeros((2, 2, 2), int), 8, extra=0), "colour picture of 2 channels"),
        (b"P4\n2 1\n\x80", "is a PBM, where 1 means black"),
        (rasters.png(np.zeros((9, 9), int))[:-1], "a part of it is missing"),
        (rasters.png(np.zeros((9, 9), int)).replace(b"IEND\xae", b"IEND\xaf"), "part IEND is dam"),
        (b"\x89PNG\r\n\x1a\n", "not a picture"),
    ],
)
def test_what_stores_no_ids_is_refused_by_name(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "a.dat").write_bytes(data)
    with pytest.raises(DataError, match=rf"label .*a\.dat .*{words}"):
        read_ids(tmp_path / "a.dat")


def test_lossy_labels_are_refused(tmp_path: Path) -> None:
    for end in ("jpg", "webp"):
        Image.new("L", (8, 8)).save(tmp_path / f"a.{end}")
        with pytest.raises(DataError, match=rf"a\.{end} is a \w+ that changes pixels when it is s"):
            read_ids(tmp_path / f"a.{end}")


def test_too_many_pixels_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.ppm").write_bytes(b"P6\n60000 60000\n255\n" + bytes(9))
    with pytest.raises(DataError, match=r"a\.ppm has more pixels than daseg reads.*tiles"):
        read_image(tmp_path / "a.ppm")
