import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from daseg.translation import HistogramTranslator, ReinhardTranslator
from daseg.translation.color import lab_to_rgb, rgb_to_lab


def photos(height: int = 40, width: int = 56, batch: int = 2) -> tuple[Tensor, Tensor]:
    """Two batches of uint8 images: dark and reddish; bright, with absent and frequent levels."""
    rng = np.random.default_rng(3)
    dark = rng.gamma(2, 20, (batch, 3, height, width)) * np.array([1.5, 1, 0.7])[:, None, None]
    bright = rng.integers(40, 80, (batch, 3, height + 3, width - 5)) * 3
    bright[..., :10, :] = 255
    return tuple(torch.from_numpy(x.clip(0, 255).astype(np.uint8)) for x in (dark, bright))


def opencv_lab(image: Tensor) -> np.ndarray:
    pixels = image.permute(1, 2, 0).numpy().astype(np.float32) / 255
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)


def test_lab_is_that_of_opencv() -> None:
    for image in torch.cat([p.flatten(2) for p in photos()], 2)[..., None].double():
        lab = rgb_to_lab(image[None])[0].permute(1, 2, 0).numpy() - [16, 0, 0]
        # OpenCV reads its curves from tables.
        np.testing.assert_allclose(lab, opencv_lab(image), atol=0.5)


def test_lab_of_known_colours() -> None:
    # White, black and sRGB's red; CIE L*a*b* under D65, from the definition.
    rgb = torch.tensor([[255.0, 255, 255], [0, 0, 0], [255, 0, 0]], dtype=torch.float64)
    lab = rgb_to_lab(rgb.T[None, :, :, None])[0, :, :, 0].T
    expected = [[116, 0, 0], [16, 0, 0], [16 + 53.2408, 80.0925, 67.2032]]
    torch.testing.assert_close(lab, torch.tensor(expected).double(), atol=0.01, rtol=0)


def test_there_and_back() -> None:
    image = photos()[0].double()
    torch.testing.assert_close(lab_to_rgb(rgb_to_lab(image)), image, atol=1e-6, rtol=0)
    single = lab_to_rgb(rgb_to_lab(image.float()))
    torch.testing.assert_close(single, image.float(), atol=2e-3, rtol=0)


def test_reinhard_equals_numpy_on_opencvs_lab() -> None:
    source, target = photos()
    result = ReinhardTranslator()(source, target)
    for s, t, r in zip(source, target, result, strict=True):
        lab, other = opencv_lab(s), opencv_lab(t)
        mean, std = lab.mean((0, 1)), lab.std((0, 1))
        moved = (lab - mean) / std * other.std((0, 1)) + other.mean((0, 1))
        expected = cv2.cvtColor(moved.astype(np.float32), cv2.COLOR_LAB2RGB).clip(0, 1) * 255
        np.testing.assert_allclose(r.permute(1, 2, 0), expected, atol=1)


def test_reinhard_moves_mean_and_deviation() -> None:
    generator = torch.Generator().manual_seed(0)
    source = 90 + 40 * torch.rand(1, 3, 32, 32, generator=generator)  # grey: nothing is clipped
    target = 120 + 30 * torch.rand(1, 3, 20, 50, generator=generator)
    result = rgb_to_lab(ReinhardTranslator()(source, target))
    other = rgb_to_lab(target)
    torch.testing.assert_close(result.mean((2, 3)), other.mean((2, 3)), atol=1e-3, rtol=0)
    deviation = result.std((2, 3), correction=0), other.std((2, 3), correction=0)
    torch.testing.assert_close(*deviation, atol=1e-3, rtol=0)


def test_reinhard_of_a_flat_image_is_the_targets_mean_colour() -> None:
    target = photos()[1][:1].float()
    result = ReinhardTranslator()(torch.full((1, 3, 8, 9), 77.0), target)
    mean = lab_to_rgb(rgb_to_lab(target).mean((2, 3), keepdim=True))
    torch.testing.assert_close(result, mean.expand_as(result), atol=1.0, rtol=0)
    flat = ReinhardTranslator()(target, torch.full((1, 3, 8, 9), 77.0))
    torch.testing.assert_close(flat, torch.full_like(target, 77), atol=0.01, rtol=0)


def by_interpolation(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The levels of one channel by their places among the sorted pixels."""

    def places(channel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, counts = np.unique(channel, return_counts=True)
        return values, (np.cumsum(counts) - counts / 2) / channel.size

    values, at = places(source)
    others, other_at = places(target)
    table = np.interp(at, other_at, others)
    return table[np.searchsorted(values, source)]


def test_histogram_equals_numpy() -> None:
    source, target = photos()
    result = HistogramTranslator()(source, target)
    assert result.shape == source.shape
    channels = (image.flatten(0, 1) for image in (source, target, result))
    for s, t, r in zip(*channels, strict=True):
        np.testing.assert_allclose(r, by_interpolation(s.numpy(), t.numpy()), atol=1e-4)


def test_histogram_by_hand() -> None:
    source = torch.tensor([10, 20, 20, 30]).expand(1, 3, 1, 4).float()
    target = torch.tensor([50, 90]).expand(1, 3, 1, 2).float()
    # Places in the source 1/8, 1/2, 7/8; in the target 1/4 and 3/4: 1/2 is half way.
    result = HistogramTranslator()(source, target)
    assert result.unique().tolist() == [50, 70, 90]
    assert result[0, 0, 0].tolist() == [50, 70, 70, 90]


def test_an_image_stays_itself_under_its_own_histogram() -> None:
    for image in photos():
        assert torch.equal(HistogramTranslator()(image, image), image.float())


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_flat_image_becomes_the_targets_median(level: int) -> None:
    target = torch.tensor([[3, 7, 7], [200, 255, 9]]).expand(1, 3, 2, 3)
    flat = torch.full((1, 3, 4, 4), level)
    # Places of 7 and 9 are 1/3 and 7/12: the median is 7 + 2 * (1/2 - 1/3) / (1/4).
    expected = torch.full((1, 3, 4, 4), 7 + 2 * (1 / 6) / (1 / 4))
    torch.testing.assert_close(HistogramTranslator()(flat, target), expected)
    assert torch.equal(HistogramTranslator()(target, flat), torch.full((1, 3, 2, 3), float(level)))
