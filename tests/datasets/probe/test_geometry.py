"""Where a texture went: stretched as a whole, by every resizer, in any colours, or moved."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from daseg.datasets.probe.geometry import Texture, is_stretched, looks_alike, texture

Change = Callable[[np.ndarray], np.ndarray]
Resizer = Callable[[np.ndarray, tuple[int, int]], np.ndarray]
SIZES = [(48, 64), (37, 53), (128, 256)]
SCALES = [(0.5, 0.5), (0.25, 0.25), (0.7, 0.9), (1.5, 1.2), (2.0, 2.0), (3.1, 2.4)]


def pil(name: str) -> Resizer:
    way = Image.Resampling[name]
    return lambda image, size: np.array(Image.fromarray(image).resize(size[::-1], way))


def opencv(way: int) -> Resizer:
    return lambda image, size: cv2.resize(image, size[::-1], interpolation=way)


def in_torch(corners: bool) -> Resizer:
    def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        tensor = torch.from_numpy(image).float().permute(2, 0, 1)[None]
        found = F.interpolate(tensor, size, mode="bilinear", align_corners=corners)
        return found[0].permute(1, 2, 0).numpy()

    return resize


RESIZERS = {
    "PIL nearest": pil("NEAREST"),
    "PIL bilinear": pil("BILINEAR"),
    "PIL bicubic": pil("BICUBIC"),
    "PIL lanczos": pil("LANCZOS"),
    "OpenCV nearest": opencv(cv2.INTER_NEAREST),
    "OpenCV linear": opencv(cv2.INTER_LINEAR),
    "OpenCV cubic": opencv(cv2.INTER_CUBIC),
    "OpenCV area": opencv(cv2.INTER_AREA),
    "torch": in_torch(False),
    "torch, corners on corners": in_torch(True),
}


def given(size: tuple[int, int], other: tuple[int, int]) -> tuple[Texture, np.ndarray]:
    made, picture = texture(size, other)
    return made, np.repeat(picture.round().astype(np.uint8)[..., None], 3, 2)


def kept(size: tuple[int, int], change: Change) -> bool:
    shape = change(np.zeros((*size, 3), np.uint8)).shape[:2]
    made, image = given(size, shape)
    return is_stretched(made, image, np.ascontiguousarray(change(image.copy())))


def test_the_texture_is_its_function_at_every_size() -> None:
    """Sampled twice as finely, every other pixel's mean is the coarse one's."""
    made = Texture((60, 80), (30, 40))
    picture = made.picture()
    assert (picture.min(), picture.max()) == (0, 255)
    rows, columns = np.linspace(0.1, 0.9, 7), np.linspace(0.2, 0.7, 5)
    wave, down, right = made.at(rows, columns)
    step = 1e-6
    np.testing.assert_allclose((made.at(rows + step, columns)[0] - wave) / step, down, rtol=1e-3)
    np.testing.assert_allclose((made.at(rows, columns + step)[0] - wave) / step, right, rtol=1e-3)
    middle = made.at(np.array([10.5 / 60]), np.array([20.5 / 80]))[0][0, 0]
    assert picture[10, 20] == pytest.approx(
        np.clip(127.5 + middle * 127.5 / np.sqrt(24), 0, 255), abs=0.01
    )


@pytest.mark.parametrize("name", RESIZERS)
@pytest.mark.parametrize("size", SIZES)
def test_every_resizer_stretches(name: str, size: tuple[int, int]) -> None:
    resize = RESIZERS[name]
    for scale in SCALES:
        other = (round(size[0] * scale[0]), round(size[1] * scale[1]))
        made, image = given(size, other)
        seen = resize(image, other)
        assert is_stretched(made, image, seen), other
        # Paler, it is no more what a resizer gives, so that places are compared; OpenCV's nearest
        # pixel is too far away for that.
        if name != "OpenCV nearest":
            assert is_stretched(made, image, seen / np.float32(2) + 9), other


@pytest.mark.parametrize("resize", [v for k, v in RESIZERS.items() if "torch" not in k])
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (7, 9), (3, 200)])
def test_images_of_a_few_pixels_may_become_large(resize: Resizer, size: tuple[int, int]) -> None:
    other = (128, 256)
    made, image = given(size, other)
    assert is_stretched(made, image, resize(image, other))
    if min(size) > 2:
        assert not is_stretched(made, image, resize(image, other)[::-1])
        assert not is_stretched(made, image, resize(image, other)[:, ::-1])


def cut_out(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    image[height // 5 : height // 2, width // 4 : width // 2] = 90
    return image


def vignette(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    y, x = (abs(np.linspace(-1, 1, side)) for side in (height, width))
    return (image * (1 - 0.3 * y[:, None, None] - 0.2 * x[:, None])).astype(np.uint8)


def noisy(image: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 25, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


COLOURS: dict[str, Change] = {
    "negative": lambda x: 255 - x,
    "darker": lambda x: x // 3,
    "saturated": lambda x: np.clip(x * 2.0, 0, 255).astype(np.uint8),
    "less contrast": lambda x: (110 + x // 10).astype(np.uint8),
    "solarized": lambda x: np.where(x < 110, x, 255 - x),
    "four levels": lambda x: x // 64 * 64,
    "two levels": lambda x: np.where(x > 127, 255, 0).astype(np.uint8),
    "normalised": lambda x: (x.astype(np.float32) - 120) / 58,
    "grey": lambda x: x[..., 0],
    "black": lambda x: x * 0,
    "equalised": lambda x: np.stack([cv2.equalizeHist(x[..., k]) for k in range(3)], 2),
    "blurred": lambda x: cv2.GaussianBlur(x, (5, 5), 1),
    "noisy": noisy,
    "JPEG": lambda x: cv2.imdecode(cv2.imencode(".jpg", x, [1, 20])[1], 1),
    "vignette": vignette,
    "cut out": cut_out,
}


@pytest.mark.parametrize("change", COLOURS.values(), ids=COLOURS)
@pytest.mark.parametrize("size", [(48, 64), (128, 256)])
def test_colours_are_no_move(change: Change, size: tuple[int, int]) -> None:
    assert kept(size, change)


def padded(bottom: int, right: int, kind: int = cv2.BORDER_CONSTANT) -> Change:
    return lambda x: cv2.copyMakeBorder(x, 0, bottom, 0, right, kind, value=(104, 116, 124))


def back(change: Change) -> Change:
    return lambda x: cv2.resize(change(x), x.shape[1::-1])


def turned(angle: float, zoom: float = 1.0) -> Change:
    def change(image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        way = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), angle, zoom)
        return cv2.warpAffine(image, way, (width, height))

    return change


MOVES: dict[str, Change] = {
    "one pixel": lambda x: np.roll(x, 1, 1),
    "one row up": lambda x: np.roll(x, -1, 0),
    "eight pixels": lambda x: np.roll(x, 8, 1),
    "mirrored": lambda x: x[:, ::-1],
    "upside down": lambda x: x[::-1],
    "turned by 180": lambda x: x[::-1, ::-1],
    "turned by 90": np.rot90,
    "transposed": lambda x: x.transpose(1, 0, 2),
    "turned by 3": turned(3),
    "zoomed": turned(0, 1.1),
    "a row of padding": padded(1, 0),
    "a column of padding": padded(0, 1),
    "padding": padded(16, 0),
    "reflected": padded(5, 7, cv2.BORDER_REFLECT),
    "repeated": padded(3, 3, cv2.BORDER_REPLICATE),
    "mostly padding": padded(500, 500),
    "padded and stretched back": back(padded(4, 6)),
    "without the first row": lambda x: x[1:],
    "without the last row": lambda x: x[:-1],
    "without two columns": lambda x: x[:, 2:],
    "the middle": lambda x: x[12:-12, 16:-16],
    "the middle, stretched back": back(lambda x: x[2:-2, 2:-2]),
    "halves exchanged": lambda x: np.concatenate([x[:, 30:], x[:, :30]], 1),
    "one half mirrored": lambda x: np.concatenate([x[:20], x[20:, ::-1]], 0),
    "one channel": lambda x: np.stack([np.roll(x[..., 0], 3, 1), x[..., 1], x[..., 2]], 2),
    "mirrored negative": lambda x: 255 - x[:, ::-1],
    "mirrored noise": lambda x: noisy(x[:, ::-1]),
}


@pytest.mark.parametrize("change", MOVES.values(), ids=MOVES)
@pytest.mark.parametrize("size", [(48, 64), (128, 256)])
def test_moves_are_seen(change: Change, size: tuple[int, int]) -> None:
    assert not kept(size, change)


@pytest.mark.slow
def test_moves_of_large_images_are_seen() -> None:
    """1024x2048: a pixel of padding, a shift of two pixels, a crop of four; and resizers."""
    size, small = (1024, 2048), (512, 1024)
    assert all(kept(size, lambda x, way=way: way(x, small)) for way in RESIZERS.values())
    for change in (padded(1, 0), lambda x: np.roll(x, 2, 1), lambda x: x[:, 4:]):
        assert not kept(size, change)
        assert not kept(size, lambda x, change=change: cv2.resize(change(x), (2048, 1024)))


def test_looks_from_afar() -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24] = 200
    assert looks_alike(image, cv2.resize(image, (32, 24)))
    assert looks_alike(image, image // 10 * 9)
    assert not looks_alike(image, image[::-1])
    assert not looks_alike(image, cv2.resize(image[::-1], (128, 96)))
    assert looks_alike(image[:4], image[::-1][:4])  # too small to say
