"""The pool of translated images: what it gives back, how often, and that it travels."""

import collections

import pytest
import torch
from torch import nn

from daseg.translation import ImagePool
from daseg.utils.errors import CheckpointError, ConfigError
from daseg.weights.strict import load_strictly


def numbered(*numbers: int) -> torch.Tensor:
    """Images that are recognised by their value."""
    return torch.tensor(numbers).float().view(-1, 1, 1, 1).expand(-1, 3, 2, 4)


def numbers_of(images: torch.Tensor) -> list[int]:
    assert images.shape[1:] == (3, 2, 4)
    assert images.flatten(1).eq(images[:, :1, 0, 0]).all(), "an image was mixed up"
    return images[:, 0, 0, 0].int().tolist()


def test_the_first_images_are_stored_and_given_back():
    pool = ImagePool(3)
    assert numbers_of(pool(numbered(0, 1), 5)) == [0, 1]
    assert numbers_of(pool.images) == [0, 1]
    assert numbers_of(pool(numbered(2), 6)) == [2]
    assert numbers_of(pool.images) == [0, 1, 2]


def test_later_ones_are_exchanged_for_one_of_the_stored():
    pool, stored = ImagePool(3), {0, 1, 2}
    pool(numbered(0, 1, 2), 0)
    for number in range(3, 60):
        (given,) = numbers_of(pool(numbered(number), number))
        if given != number:
            assert given in stored
            stored = stored - {given} | {number}
        assert set(numbers_of(pool.images)) == stored
    assert min(stored) > 3, "no old image left"


def test_half_of_them_are_old_ones_and_all_places_are_alike():
    size, total = 8, 4000
    pool, places, old = ImagePool(size), collections.Counter(), 0
    pool(numbered(*range(size)), 0)
    for number in range(size, size + total):
        before = numbers_of(pool.images)
        (given,) = numbers_of(pool(numbered(number), 11, number))
        if given != number:
            old += 1
            places[before.index(given)] += 1
    # Five standard deviations: of 4000 tosses of a coin, and of a place among eight.
    assert abs(old - total / 2) < 5 * (total / 4) ** 0.5
    assert set(places) == set(range(size))
    spread = (old / size * (1 - 1 / size)) ** 0.5
    assert all(abs(count - old / size) < 5 * spread for count in places.values())


def test_the_draws_depend_on_the_key_alone():
    def given(seed: int) -> list[int]:
        pool = ImagePool(4)
        pool(numbered(*range(4)), 0)
        torch.manual_seed(seed)
        return [*numbers_of(pool(numbered(*range(4, 20)), 1, 2))]

    assert given(0) == given(1)
    pool = ImagePool(4)
    pool(numbered(*range(4)), 0)
    assert numbers_of(pool(numbered(*range(4, 20)), 1, 3)) != given(0)


def test_a_batch_is_its_images_in_their_order():
    """What one of them stores, a later one may get."""
    pool = ImagePool(2)
    given = numbers_of(pool(numbered(*range(40)), 3))
    kept = numbers_of(pool.images)
    assert given[:2] == [0, 1]
    assert sorted(given[2:] + kept) == [*range(40)], "each is given once more, or still stored"
    assert given != [*range(40)]


def test_without_a_size_images_pass_through():
    pool, images = ImagePool(0), numbered(1, 2)
    assert pool(images, 0) is images
    assert len(pool.images) == 0
    with pytest.raises(ConfigError, match="size has to be at least 0, not -1"):
        ImagePool(-1)


def test_half_precision_is_stored_in_float32():
    pool = ImagePool(2)
    given = pool(numbered(1).half(), 0)
    assert given.dtype == pool.images.dtype == torch.float32
    double = ImagePool(2)
    assert double(numbered(1).double(), 0).dtype == torch.float64


def test_images_of_another_size_are_refused():
    pool = ImagePool(2)
    pool(numbered(1), 0)
    with pytest.raises(ConfigError, match=r"its images are 2x4, the new ones 3x4: crop all"):
        pool(torch.zeros(1, 3, 3, 4), 1)


@pytest.mark.parametrize("before", [0, 1, 3])
def test_a_filled_pool_loads_strictly_whatever_the_model_holds(before):
    model, other = (nn.ModuleDict(dict(pool=ImagePool(5), net=nn.Linear(1, 1))) for _ in range(2))
    model["pool"](numbered(7, 8), 0)
    if before:
        other["pool"](numbered(*range(before)), 0)
    load_strictly(other, model.state_dict(), "file")
    assert numbers_of(other["pool"].images) == [7, 8]
    assert other["pool"].images.data_ptr() != model["pool"].images.data_ptr()
    state = model.state_dict()
    del state["pool.images"]
    with pytest.raises(CheckpointError, match=r"missing pool\.images"):
        load_strictly(other, state, "file")
    with pytest.raises(CheckpointError, match=r"net\.weight is \(2, 1\), the model's \(1, 1\)"):
        load_strictly(other, model.state_dict() | {"net.weight": torch.zeros(2, 1)}, "file")
