"""What is pasted and what is hidden: by counting, and against numpy."""

import zlib

import numpy as np
import pytest
import torch

from daseg.ops.mixing import block_mask, box_mask, class_mask


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


def test_half_of_the_classes_of_all_images_and_no_class_among_them():
    """Labels of four classes, 255 and one more, of which each image has some: three are drawn."""
    pool = torch.tensor([[0, 0, 2], [2, 5, 255], [255, 1, 1]]).view(3, 1, 3)
    seen = torch.zeros(3, 3)
    for seed in range(200):
        torch.manual_seed(seed)
        mask = class_mask(pool, 7, pool=pool, ignored=True)
        # Five values, 0 1 2 5 255: three are drawn for each image, of which it may have none.
        for image, pasted in zip(pool, mask, strict=True):
            assert all(image[pasted].unique()[:, None].ne(image[~pasted]).flatten())
        seen += mask[:, 0].float()
        part = class_mask(pool[:1], 7, pool=pool, ignored=False)  # of 0 1 2 5: two
        assert not part[pool[:1] == 255].any()
    assert seen.div(200).numpy() == pytest.approx(0.6, abs=0.1)


@pytest.mark.parametrize(
    ("seed", "size", "block", "grid", "hidden"),
    [
        (0, (128, 192), 32, (4, 6), 0.7),
        (1, (160, 230), 64, (2, 4), 0.7),
        (2, (20, 20), 64, (1, 1), 0.3),
    ],
)
def test_blocks_are_hidden_each_by_itself(seed, size, block, grid, hidden):
    """160 / 64 is 2.5: Python rounds it to 2, as the public code of MIC does."""
    torch.manual_seed(seed)
    mask = block_mask(2, size, block, hidden)
    torch.manual_seed(seed)
    keep = (torch.rand(2, 1, *grid) > hidden).numpy()
    assert mask.shape == (2, 1, *size)
    for index in np.ndindex(*mask.shape):
        if index[2] % 7 == 0 and index[3] % 7 == 0:
            row, column = index[2] * grid[0] // size[0], index[3] * grid[1] // size[1]
            assert mask[index] == keep[index[0], 0, row, column]
    assert block_mask(3, size, block, 0.0).all()
    assert not block_mask(3, size, block, 1.0).any()


@pytest.mark.parametrize(
    ("seed", "size", "block", "pixels", "crc"),
    [(5, (128, 192), 32, 19456, 728222496), (6, (160, 230), 64, 18320, 2563754745)],
)
def test_blocks_are_those_of_the_public_code_of_mic(seed, size, block, pixels, crc):
    torch.manual_seed(seed)
    mask = block_mask(2, size, block, 0.7)
    assert mask.sum() == pixels
    assert zlib.crc32(mask.numpy().astype(np.uint8).tobytes()) == crc
