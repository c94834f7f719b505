"""What is pasted, and how the look varies: by counting, and against numpy."""

import colorsys

import numpy as np
import pytest
import torch

from daseg.ops.mixing import BLUR_WIDTH, augment_colors, box_mask, class_mask


def labels(seed, count=6, classes=7, size=(9, 11)):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, classes, (count, *size))
    for image in label:  # each image lacks some of the classes
        image[np.isin(image, rng.choice(classes, rng.integers(0, classes), replace=False))] = 255
    return torch.from_numpy(label)


@pytest.mark.parametrize("seed", range(5))
def test_half_of_the_classes_of_each_image_rounded_up_and_all_of_their_pixels(seed):
    torch.manual_seed(seed)
    label = labels(seed)
    mask = class_mask(label, 7)
    assert mask.dtype is torch.bool
    odd = 0
    for image, pasted in zip(label.numpy(), mask.numpy(), strict=True):
        present = set(np.unique(image)) - {255}
        chosen = set(np.unique(image[pasted]))
        assert chosen <= present
        assert len(chosen) == -(-len(present) // 2)
        assert np.array_equal(pasted, np.isin(image, list(chosen)))
        odd += len(present) % 2
    assert odd > 0


def test_a_class_is_drawn_as_often_as_any_other_and_images_draw_for_themselves():
    torch.manual_seed(0)
    label = torch.arange(4).repeat(500, 1).view(500, 2, 2)  # one pixel of each class
    drawn = class_mask(label, 9).flatten(1)
    assert (drawn.sum(1) == 2).all()
    assert drawn.float().mean(0) == pytest.approx([0.5] * 4, abs=0.07)
    assert len({tuple(row) for row in drawn.tolist()}) == 6  # of 4 over 2 pairs


def test_an_image_of_one_class_or_of_none():
    label = torch.stack([torch.full((3, 4), 2), torch.full((3, 4), 255)])
    assert class_mask(label, 5).flatten(1).float().mean(1).tolist() == [1, 0]


def test_a_mask_follows_from_the_seed_alone():
    label, masks = labels(0), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(class_mask(label, 7))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_boxes_have_areas_of_every_size_and_any_place():
    torch.manual_seed(0)
    masks = box_mask(2000, (40, 60)).numpy()
    areas = masks.mean((1, 2))
    for mask in masks[:200]:
        rows, columns = mask.any(1), mask.any(0)
        assert np.array_equal(mask, rows[:, None] & columns[None])
        assert all(np.abs(np.diff(side.astype(int))).sum() <= 2 for side in (rows, columns))
        assert columns.sum() == pytest.approx(1.5 * rows.sum(), abs=1.5)  # the image's shape
    # Uniform in 0..1: the mean is 1/2, the share below a quarter is a quarter.
    assert areas.mean() == pytest.approx(0.5, abs=0.02)
    assert (areas < 0.25).mean() == pytest.approx(0.25, abs=0.03)
    small = masks[(areas > 0) & (areas < 0.1)]
    for side in (small.any(1), small.any(2)):  # columns and rows: each is reached
        assert side.any(0).all()
        first = side.argmax(1) / (side.shape[1] - side.sum(1))
        assert first.mean() == pytest.approx(0.5, abs=0.08)


def test_a_look_that_is_not_to_vary_does_not():
    image = torch.randint(0, 256, (2, 3, 16, 20)).byte()
    assert torch.equal(augment_colors(image, 0.25, 0.0, 0.0), image.float())
    torch.testing.assert_close(
        augment_colors(image, 0.0, 1.0, 0.0), image.float(), atol=0.01, rtol=0
    )


def test_images_vary_each_by_itself_and_as_often_as_stated():
    torch.manual_seed(0)
    image = torch.full((400, 3, 2, 2), 100.0)
    image[:, 0] = 180
    changed = (augment_colors(image, 0.25, 0.8, 0.0) != image).flatten(1).any(1)
    assert changed.float().mean() == pytest.approx(0.8, abs=0.06)
    noise = torch.rand(300, 3, 9, 9) * 255
    blurred = (augment_colors(noise, 0.25, 0.0, 0.5) != noise).flatten(1).any(1)
    assert blurred.float().mean() == pytest.approx(0.5, abs=0.08)


def test_what_one_image_draws_does_not_hang_on_what_was_done_to_another():
    image, results = torch.rand(2, 3, 12, 12) * 255, []
    for jitter_prob in (0.0, 1.0):
        torch.manual_seed(3)
        results.append(augment_colors(image, 0.25, jitter_prob, 1.0)[1])
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
            results.append(augment_colors(image, 0.25, 1.0, 1.0))
    assert torch.equal(*results)
