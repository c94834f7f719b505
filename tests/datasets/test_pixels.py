"""Numbers of an image: 0..255, or refused; never cut off."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from daseg.datasets import FolderDataset, PackSample, SampleIndex
from daseg.datasets.pixels import PixelError, complaint, rgb_of
from perfect import CLASSES, LABEL, LOAD, PACK, draw_streets, third_party

GREY = np.arange(35, dtype=np.uint8).reshape(5, 7) * 7
RGB = np.stack([GREY, GREY + 1, GREY + 2], 2)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_streets(tmp_path_factory.mktemp("streets"), count=2)


@pytest.mark.parametrize(
    "image",
    [
        RGB,
        RGB.astype(np.int64),
        RGB.astype(np.uint16),
        RGB.astype(np.float16),
        RGB.astype(np.float64),
        np.zeros((2, 2, 3), np.float32),  # black is black in every scale
        np.full((2, 2, 3), 1.5),
        np.array([[[-0.5, 255.5, 3.0]]]),
    ],
)
def test_numbers_that_are_right(image: np.ndarray) -> None:
    assert complaint(image) is None
    found = rgb_of(image)
    assert found.dtype in (np.uint8, np.float32)
    np.testing.assert_array_equal(found, image.astype(np.float32))


WRONG: dict[str, tuple[Any, str]] = {
    "shares": (RGB / 255, "all between 0 and 1, not 0..255: multiply it by 255"),
    "one share": (np.full((2, 2, 3), 1e-6), "all between 0 and 1"),
    "ones": (np.ones((2, 2, 3), np.float32), "all between 0 and 1"),
    "normalised": ((RGB - 120.0) / 58, "numbers from -2.069 to"),
    "-1..1": (RGB / 127.5 - 1, "numbers from -1 to"),
    "beyond": (RGB * 1.5, "to 360, not 0..255"),
    "16 bits": (RGB.astype(np.uint16) * 257, r"16 bits a channel\?"),
    "12 bits": (RGB.astype(np.int32) * 16, "to 3840, not 0..255"),
    "negative": (RGB.astype(np.int16) - 9, "numbers from -9"),
    "NaN": (np.where(RGB > 50, np.nan, RGB), "NaN or infinite"),
    "infinite": (np.where(RGB > 50, np.inf, RGB), "NaN or infinite"),
    "bool": (RGB > 50, "type bool"),
    "complex": (RGB.astype(complex), "type complex128"),
    "objects": (RGB.astype(object), "type object"),
    "text": (RGB.astype(str), "type <U"),
    "grey": (GREY, r"expected an image of shape \(H,W,3\), got \(5, 7\): it is grey"),
    "one channel": (GREY[..., None], r"got \(5, 7, 1\): it is grey"),
    "alpha": (np.dstack([RGB, GREY]), r"got \(5, 7, 4\): leave out the fourth channel"),
    "channels first": (RGB.transpose(2, 0, 1), r"channels come first; image.transpose"),
    "a batch": (RGB[None], r"got \(1, 5, 7, 3\)"),
    "a single number": (np.float32(3), "got a float32"),
    "nothing": (RGB[:0], "has no pixels"),
    "tensor": (torch.zeros(3, 4, 5), r"got a Tensor: of a tensor .*permute\(1, 2, 0\)"),
    "list": (RGB.tolist(), "got a list"),
    "none": (None, "got a NoneType"),
    "bytes": (b"street.png", "got a bytes"),
    "PIL, 16 bits": (Image.fromarray(GREY.astype(np.uint16)), "mode 'I;16' is none of"),
    "PIL, 32 bits": (Image.fromarray(GREY.astype(np.int32)), "mode 'I' is none of"),
    "PIL, floats": (Image.fromarray(GREY.astype(np.float32)), "mode 'F' is none of"),
    "PIL, CMYK": (Image.new("CMYK", (4, 3)), "mode 'CMYK' is none of"),
    "PIL, Lab": (Image.new("LAB", (4, 3)), "mode 'LAB' is none of"),
}


@pytest.mark.parametrize(("image", "match"), WRONG.values(), ids=WRONG)
def test_what_is_no_image_of_0_to_255_is_refused(image: Any, match: str) -> None:
    with pytest.raises(PixelError, match=match):
        rgb_of(image)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "RGBA", "LA"])
def test_pictures_of_pil_are_as_read_from_their_file(mode: str, tmp_path: Path) -> None:
    from daseg.datasets.files.io import read_rgb

    picture = Image.fromarray(RGB).convert(mode)
    if mode in ("RGBA", "LA"):
        picture.putalpha(Image.fromarray(255 - GREY // 2))
    if mode == "P":
        picture.info["transparency"] = 3
    expected = dict(
        RGB=RGB,
        L=np.repeat(np.asarray(picture.convert("L"))[..., None], 3, 2),
        P=np.asarray(picture.convert("RGB")),
        RGBA=RGB,
        LA=np.repeat(np.asarray(picture.convert("LA"))[..., :1], 3, 2),
    )
    expected["1"] = np.repeat(np.asarray(picture.convert("L"))[..., None], 3, 2)
    assert np.array_equal(rgb_of(picture), expected[mode])
    if mode in ("RGB", "L", "1"):  # the others are refused, or not, by what reads files
        picture.save(tmp_path / "picture.png")
        assert np.array_equal(read_rgb(tmp_path / "picture.png"), expected[mode])


def normalize(mean: float, std: float, **options: Any) -> dict[str, Any]:
    return dict(type="Normalize", mean=[mean] * 3, std=[std] * 3, **options)


SPOILING: dict[str, tuple[Any, str]] = {
    "ImageNet": (normalize(120, 58), "after the transform Normalize the image"),
    "0..1": (normalize(0, 255), "Normalize .*between 0 and 1"),
    "-1..1": (normalize(127.5, 127.5, to_rgb=False), "Normalize .*from -0.7647 to 0.8039"),
    "doubled": (normalize(0, 0.5), "Normalize .*from 60 to 460"),
    "inside": (
        dict(type="RandomApply", transforms=[normalize(120, 58)], prob=1.0),
        r"RandomApply\(Normalize\)",
    ),
    "third party": (third_party("Scales", lambda x: x / 255), "Scales"),
    "16 bits": (third_party("Widens", lambda x: x.astype(np.uint16) * 257), "Widens .*16 bits"),
    "NaN": (third_party("Divides", lambda x: x / np.float32(0)), "Divides .*NaN or infinite"),
    "grey": (third_party("Greys", lambda x: x.mean(2)), r"Greys .*shape \(48, 64\)"),
    "one channel": (third_party("Flattens", lambda x: x[..., :1]), r"Flattens .*\(48, 64, 1\)"),
    "first": (third_party("First", lambda x: x.transpose(2, 0, 1)), r"First .*channels come first"),
    "tensor": (third_party("Tensors", torch.from_numpy), "Tensors .* is a Tensor"),
    "grey, mmcv": (
        dict(type="RandomGrayscale", prob=1.0, keep_channels=False),
        r"RandomGrayscale .*shape \(48, 64, 1\)|RandomGrayscale .*\(48, 64\)",
    ),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("step", "match"), SPOILING.values(), ids=SPOILING)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_the_transform_that_spoils_the_numbers_is_named(
    root: Path, step: Any, match: str, training: bool
) -> None:
    steps = [LOAD, LABEL, dict(type="ResizePIL", scale=(64, 48)), step, PACK]
    dataset = FolderDataset(root, list(CLASSES), pipeline=steps)
    with pytest.raises(PixelError, match=match) as caught:
        dataset[SampleIndex(0, 0) if training else 0]
    assert str(root / "images/00.png") in str(caught.value)
    assert "by its own mean and std" in str(caught.value)


def test_a_bright_image_does_not_hide_what_is_normalised(tmp_path: Path) -> None:
    """Of white alone, (255 - 120) / 58 is 2.3, which could be a colour."""
    root = draw_streets(tmp_path / "white", count=1)
    Image.new("RGB", (64, 48), "white").save(root / "images/00.png")
    dataset = FolderDataset(root, list(CLASSES), pipeline=[LOAD, LABEL, normalize(120, 58), PACK])
    with pytest.raises(PixelError, match=r"Normalize .* numbers from -2"):
        dataset[SampleIndex(0, 0)]


def test_what_is_normalised_may_be_turned_back(root: Path) -> None:
    there = third_party("There", lambda x: (x.astype(np.float32) - 120) / 58)
    again = third_party("BackAgain", lambda x: x * 58 + 120)
    plain, turned = (
        FolderDataset(root, list(CLASSES), pipeline=[LOAD, LABEL, *steps, PACK])[0]
        for steps in ([], [there, again])
    )
    assert torch.equal(plain["image"], turned["image"])


def test_a_dark_image_is_no_share(tmp_path: Path) -> None:
    """A night of 0 and 1 in the file stays that, as floats, too."""
    root = draw_streets(tmp_path / "night", count=1)
    dark = (np.asarray(Image.open(root / "images/00.png")) > 100).astype(np.uint8)
    Image.fromarray(dark).save(root / "images/00.png")
    load = dict(type="LoadImageFromFile", to_float32=True)
    sample = FolderDataset(root, list(CLASSES), pipeline=[load, LABEL, PACK])[0]
    assert np.array_equal(sample["image"].permute(1, 2, 0).numpy(), dark)


def test_packing_by_itself_refuses_too(tmp_path: Path) -> None:
    image = np.full((2, 2, 3), 300.0)
    with pytest.raises(PixelError, match=r"PackSample: the image of a.png has numbers from 300"):
        PackSample()(dict(img=image, img_path="a.png", ori_shape=(2, 2)))
