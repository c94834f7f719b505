"""How the look of images varies: by counting, against numpy and kornia's numbers."""

import colorsys

import numpy as np
import pytest
import torch

from daseg.ops.augment import BLUR_WIDTH, ColorAugmentation, change_hsv
from daseg.utils.errors import ConfigError


def augment(image, jitter, jitter_prob, blur_prob, **options):
    probabilities = dict(jitter_prob=jitter_prob, blur_prob=blur_prob)
    return ColorAugmentation("Test", jitter=jitter, **probabilities, **options)(image)


def test_a_look_that_is_not_to_vary_does_not():
    image = torch.randint(0, 256, (2, 3, 16, 20)).byte()
    assert torch.equal(augment(image, 0.25, 0.0, 0.0), image.float())
    torch.testing.assert_close(augment(image, 0.0, 1.0, 0.0), image.float(), atol=0.01, rtol=0)


def test_images_vary_each_by_itself_and_as_often_as_stated():
    torch.manual_seed(0)
    image = torch.full((400, 3, 2, 2), 100.0)
    image[:, 0] = 180
    changed = (augment(image, 0.25, 0.8, 0.0) != image).flatten(1).any(1)
    assert changed.float().mean() == pytest.approx(0.8, abs=0.06)
    noise = torch.rand(300, 3, 9, 9) * 255
    blurred = (augment(noise, 0.25, 0.0, 0.5) != noise).flatten(1).any(1)
    assert blurred.float().mean() == pytest.approx(0.5, abs=0.08)


def test_what_one_image_draws_does_not_hang_on_what_was_done_to_another():
    image, results = torch.rand(2, 3, 12, 12) * 255, []
    for jitter_prob in (0.0, 1.0):
        torch.manual_seed(3)
        results.append(augment(image, 0.25, jitter_prob, 1.0)[1])
    torch.manual_seed(3)
    first = torch.rand(2, 7)[1]  # lots, lots, sigma, four changes
    brightness, contrast, saturation, hue = (0.5 * first[3:] - 0.25).tolist()
    pixels = image[1].permute(1, 2, 0).double().numpy() / 255
    grey_weights = np.array([0.2989, 0.587, 0.114])
    pixels = np.clip(pixels * (1 + brightness), 0, 1)
    mean = (pixels @ grey_weights).mean()
    pixels = np.clip(mean + (1 + contrast) * (pixels - mean), 0, 1)
    grey = (pixels @ grey_weights)[..., None]
    pixels = np.clip(grey + (1 + saturation) * (pixels - grey), 0, 1)
    turned = [
        colorsys.hsv_to_rgb((h + hue) % 1, s, v)
        for h, s, v in (colorsys.rgb_to_hsv(*pixel) for pixel in pixels.reshape(-1, 3))
    ]
    expected = {0: image[1].double().numpy(), 1: 255 * np.array(turned).T.reshape(3, 12, 12)}
    sigma = 0.15 + first[2].item()
    for jittered, result in enumerate(results):
        blurred = gaussian(expected[jittered], sigma)
        assert np.abs(blurred - result.numpy()).max() < 0.05


def gaussian(image, sigma):
    """Blur (C,H,W) by hand, mirrored at the borders."""
    reach = BLUR_WIDTH // 2
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    for axis in (1, 2):
        pads = [(reach, reach) if a == axis else (0, 0) for a in range(3)]
        padded = np.pad(image, pads, mode="reflect")
        length = image.shape[axis]
        image = sum(
            k * np.take(padded, range(i, i + length), axis=axis) for i, k in enumerate(kernel)
        )
    return image


def test_autocast_leaves_a_blur_its_grey_levels():
    image = torch.rand(1, 3, 12, 12) * 255
    results = []
    for on in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=on):
            results.append(augment(image, 0.25, 1.0, 1.0))
    assert torch.equal(*results)


# kornia 0.5.8 on the CPU, one operation after the other: every pixel of a few, 0..1.
KORNIA_PLACES = [201, 397, 412, 894, 1128, 1348, 1430, 1468, 1719, 1725]
KORNIA = {
    (0,): "0.67941177 0.79313725 0.24411762 0.2715686 0.46372548 0.38137254 0.36960781 0.32647055 "
    "1.0 0.54215682",
    (1,): "0.45000005 0.54666668 0.080000006 0.10333334 0.26666668 0.19666669 0.18666667 "
    "0.15000001 0.77000004 0.33333334",
    (2,): "0.52549028 0.64313728 0.080790423 0.12156863 0.2603929 0.19843204 0.19053705 0.1349027 "
    "0.90588236 0.3890197",
    (3,): "0.56862748 0.44392192 0.015687244 0.12156863 0.41537324 0.1019616 0.043138184 "
    "0.17647128 0.90588236 0.34509823",
    (2, 0, 3, 1): "0.61083335 0.48790058 0.12750067 0.23083331 0.44387442 0.17516802 0.12750065 "
    "0.24216783 0.85000002 0.41416696",
}


@pytest.mark.parametrize("order", KORNIA)
def test_the_rule_hsv_is_kornias(order):
    pixels = np.random.RandomState(91).randint(0, 256, (1, 3, 24, 32))[0]
    image = torch.from_numpy(pixels).float() / 255
    found = change_hsv(image, (0.15, -0.15, 0.1, -0.12), order).flatten()[KORNIA_PLACES]
    expected = torch.tensor([float(value) for value in KORNIA[order].split()])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_images_are_changed_together_or_not_at_all_and_each_in_its_own_way():
    image = (torch.rand(6, 3, 8, 8) * 255).round()
    often = []
    for seed in range(60):
        torch.manual_seed(seed)
        options = dict(jitter=0.2, jitter_prob=0.8, blur_prob=0.0, rule="hsv", joint=True)
        augmentation = ColorAugmentation("Test", **options)
        whole = augmentation(image)
        # Of a batch in two parts the second follows the first.
        torch.manual_seed(seed)
        parts = [augmentation(image[:4]), augmentation(image[4:], first=False)]
        assert torch.equal(torch.cat(parts), whole)
        changed = (whole != image).flatten(1).any(1)
        assert changed.all() == changed.any()
        often.append(changed.all().item())
        if often[-1]:
            shifts = (whole - image).flatten(1).mean(1)
            assert shifts.unique().numel() == 6
    assert np.mean(often) == pytest.approx(0.8, abs=0.12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(jitter=0.6), r"^Test: jitter is in 0\.\.0\.5, not 0\.6$"),
        (dict(blur_prob=-1), r"^Test: blur_prob is in 0\.\.1, not -1$"),
        (dict(rule="lab"), "^Test: colors is 'rgb' or 'hsv', not 'lab'$"),
    ],
)
def test_arguments_out_of_range(options, message):
    with pytest.raises(ConfigError, match=message):
        ColorAugmentation("Test", **(dict(jitter=0.2, jitter_prob=0.8, blur_prob=0.5) | options))
