import numpy as np
import pytest
import torch
from torch import Tensor

from daseg.registry import TRANSLATORS
from daseg.translation import FourierTranslator
from daseg.utils.errors import ConfigError, DataError

SIZES = [(24, 40), (25, 40), (24, 39), (25, 39), (40, 24)]


def images(height: int, width: int, batch: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(height * width)
    shape = (2, batch, 3, height, width)
    source, target = 255 * torch.rand(shape, generator=generator, dtype=torch.float64)
    return source, target * 0.5 + 60


def published(source: np.ndarray, target: np.ndarray, b: int) -> np.ndarray:
    """Eqs. (2) to (4), with the whole spectrum shifted so that frequency 0 is in the middle."""
    height, width = source.shape[-2:]
    shifted = [np.fft.fftshift(np.fft.fft2(x), axes=(-2, -1)) for x in (source, target)]
    y, x = np.mgrid[:height, :width]
    mask = (abs(y - height // 2) <= b) & (abs(x - width // 2) <= b) & (b > 0)
    amplitude = np.where(mask, abs(shifted[1]), abs(shifted[0]))
    spectrum = amplitude * np.exp(1j * np.angle(shifted[0]))
    result = np.fft.ifft2(np.fft.ifftshift(spectrum, axes=(-2, -1)))
    if 2 * b < min(height, width):  # at 2 b the window has half of the highest frequency's pair
        assert abs(result.imag).max() < 1e-9
    return result.real


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("beta", [0.01, 0.05, 0.1, 0.3, 0.49])
def test_equals_the_equations(size: tuple[int, int], beta: float) -> None:
    source, target = images(*size)
    b = int(np.floor(beta * min(size)))
    expected = published(source.numpy(), target.numpy(), b)
    result = FourierTranslator(beta=beta)(source, target)
    np.testing.assert_allclose(result.numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("size", SIZES)
def test_phase_is_the_sources_and_amplitude_the_targets_in_the_window_alone(
    size: tuple[int, int],
) -> None:
    source, target = images(*size)
    result = FourierTranslator(beta=0.1)(source, target)
    old, other, new = (torch.fft.fft2(x) for x in (source, target, result))
    inside = torch.zeros(size, dtype=torch.bool)
    for row in (-2, -1, 0, 1, 2):
        inside[row, [-2, -1, 0, 1, 2]] = True
    torch.testing.assert_close(new.abs()[..., inside], other.abs()[..., inside])
    torch.testing.assert_close(new.abs()[..., ~inside], old.abs()[..., ~inside])
    turn = new / new.abs() - old / old.abs()
    assert turn.abs().max() < 1e-9


def test_at_the_largest_beta_all_amplitudes_are_the_targets() -> None:
    source, target = images(24, 24)
    result = FourierTranslator(beta=0.5)(source, target)
    torch.testing.assert_close(torch.fft.fft2(result).abs(), torch.fft.fft2(target).abs())


@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_too_small_a_window_is_the_identity(beta: float) -> None:
    source, target = images(24, 40)
    assert torch.equal(FourierTranslator(beta=beta)(source, target), source)


def test_too_small_a_window_is_said_once_with_one_that_is_large_enough(monkeypatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("daseg.translation.fourier.print_log", lambda text, **_: said.append(text))
    translator, (source, target) = FourierTranslator(beta=0.01), images(96, 128)
    for _ in range(2):
        translator(source, target)
    assert len(said) == 1
    assert "beta=0.01 of images of 96x128 is less than one frequency" in said[0]
    assert "beta=0.011 or more" in said[0]
    assert not torch.equal(FourierTranslator(beta=0.011)(source, target), source)
    FourierTranslator(beta=0.0)(source, target)  # asked for
    assert len(said) == 1


def test_the_mean_is_the_targets() -> None:
    source, target = images(64, 96)
    result = FourierTranslator(beta=0.02)(source, target)
    torch.testing.assert_close(result.mean((2, 3)), target.mean((2, 3)))


def test_an_image_stays_itself_under_its_own_amplitudes() -> None:
    source, _ = images(24, 40)
    torch.testing.assert_close(FourierTranslator(beta=0.3)(source, source), source)


def test_images_of_a_batch_are_translated_each_by_its_own() -> None:
    source, target = images(24, 40, batch=3)
    translate = FourierTranslator(beta=0.1)
    each = [translate(s, t) for s, t in zip(source, target, strict=True)]
    torch.testing.assert_close(translate(source, target), torch.stack(each))


def test_a_target_of_another_size_is_resized_first() -> None:
    source, target = images(24, 40)
    small = target[..., ::2, ::2]
    resized = torch.nn.functional.interpolate(small, (24, 40), mode="bilinear", align_corners=False)
    translate = FourierTranslator(beta=0.1)
    assert torch.equal(translate(source, small), translate(source, resized))


@pytest.mark.parametrize("name", ["FourierTranslator", "ReinhardTranslator", "HistogramTranslator"])
def test_bytes_and_autocast_are_computed_in_float32(name: str) -> None:
    translate = TRANSLATORS.build(dict(type=name))
    source, target = (x.byte() for x in images(128, 160))
    expected = translate(source.double(), target.double())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = translate(source, target)
    assert result.dtype == torch.float32
    assert expected.dtype == torch.float64
    torch.testing.assert_close(result.double(), expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize("name", ["FourierTranslator", "ReinhardTranslator", "HistogramTranslator"])
def test_what_it_is_given_stays_as_it_is(name: str) -> None:
    pair = images(128, 160)
    copies = [x.clone() for x in pair]
    TRANSLATORS.build(dict(type=name))(*pair)
    assert all(torch.equal(x, copy) for x, copy in zip(pair, copies, strict=True))


def test_a_flat_image_has_a_finite_translation() -> None:
    flat, target = torch.full((1, 3, 64, 96), 100.0), images(64, 96)[1][:1].float()
    assert FourierTranslator(beta=0.1)(flat, target).isfinite().all()
    result = FourierTranslator(beta=0.1)(target, flat)
    torch.testing.assert_close(result.mean((2, 3)), flat.mean((2, 3)))


@pytest.mark.parametrize("beta", [-0.01, 0.51, float("nan")])
def test_beta_is_checked(beta: float) -> None:
    with pytest.raises(ConfigError, match=r"beta of FourierTranslator must be in 0\.\.0\.5, got"):
        FourierTranslator(beta=beta)


def test_shapes_are_checked() -> None:
    translate = FourierTranslator()
    with pytest.raises(DataError, match=r"RGB images .* got \(2, 1, 8, 8\)"):
        translate(torch.zeros(2, 1, 8, 8), torch.zeros(2, 3, 8, 8))
    with pytest.raises(DataError, match=r"a target image for each source image, got \(2, 3, 8, 8"):
        translate(torch.zeros(2, 3, 8, 8), torch.zeros(1, 3, 8, 8))
