"""The stream of positions and indices."""

from collections import Counter
from itertools import islice

import pytest

from daseg.datasets.samplers import EndlessSampler, quotas
from daseg.utils.errors import ConfigError


def take(sampler: EndlessSampler, count: int) -> list[tuple[int, int]]:
    return [(item.index, item.position) for item in islice(sampler, count)]


def sampler_of(dataset, rank: int = 0, world_size: int = 1, **options) -> EndlessSampler:
    return EndlessSampler(dataset, seed=7, rank=rank, world_size=world_size, **options)


class Mixed:
    """What `MixedDataset` shows of itself to a sampler."""

    def __init__(self, sizes: list[int], weights: list[float]) -> None:
        self.sizes, self.weights = sizes, weights

    def __len__(self) -> int:
        return sum(self.sizes)


def test_each_epoch_is_another_permutation() -> None:
    stream = take(sampler_of(range(10)), 40)
    assert [position for _, position in stream] == list(range(40))
    epochs = [tuple(i for i, _ in stream[e : e + 10]) for e in range(0, 40, 10)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len(set(epochs)) == 4


def test_seed_decides_the_order() -> None:
    orders = [
        tuple(EndlessSampler(range(20), seed=s, rank=0, world_size=1).order(0)) for s in (1, 2, 1)
    ]
    assert orders[0] == orders[2] != orders[1]


def test_without_shuffling_the_order_is_kept() -> None:
    assert [i for i, _ in take(sampler_of(range(3), shuffle=False), 7)] == [0, 1, 2, 0, 1, 2, 0]


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_out_the_stream_of_one(world: int) -> None:
    together = take(sampler_of(range(7)), 10 * world)
    shards = [take(sampler_of(range(7), rank, world), 10) for rank in range(world)]
    assert [item for items in zip(*shards, strict=True) for item in items] == together


@pytest.mark.parametrize("begin", [0, 6, 14, 1000])
def test_a_start_in_the_middle_goes_on_as_if_uninterrupted(begin: int) -> None:
    whole = take(sampler_of(range(7)), begin + 20)
    for rank in range(2):
        resumed = sampler_of(range(7), rank, 2)
        resumed.start_at(begin)
        assert take(resumed, 10) == whole[begin + rank :: 2][:10]
        assert take(resumed, 10) == whole[begin + rank :: 2][:10]  # each iteration starts there


def test_a_start_between_the_turns_of_the_processes() -> None:
    whole = take(sampler_of(range(7)), 40)
    for rank in range(3):
        resumed = sampler_of(range(7), rank, 3)
        resumed.start_at(8)
        assert take(resumed, 5) == [w for w in whole if w[1] >= 8 and w[1] % 3 == rank][:5]


def test_length_is_an_epoch() -> None:
    assert len(sampler_of(range(7), 1, 2)) == 7


def test_quotas_by_largest_remainder() -> None:
    assert quotas(10, [1, 1, 1]) == [4, 3, 3]
    assert quotas(10, [0.7, 0.2, 0.1]) == [7, 2, 1]
    assert quotas(7, [2, 5]) == [2, 5]
    assert quotas(100, [0.335, 0.335, 0.33]) == [34, 33, 33]
    assert quotas(11, [1, 3]) == [3, 8]  # 2.75 and 8.25


def test_a_weight_that_draws_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"as \[10, 0\]: a data set would never be drawn from"):
        sampler_of(Mixed([5, 5], [1, 0.001]))


def test_weights_give_quotas_and_every_image_comes_equally_often() -> None:
    sampler = sampler_of(Mixed([4, 8], [0.75, 0.25]))
    assert sampler.quotas == [9, 3]
    epochs = [sampler.order(e) for e in range(8)]
    for order in epochs:
        assert (order < 4).sum() == 9
        assert (order >= 4).sum() == 3
    # 8 epochs: 72 draws of 4 images = 18 each; 24 draws of 8 = 3 each.
    counts = Counter(int(i) for order in epochs for i in order)
    assert counts == {i: 18 if i < 4 else 3 for i in range(12)}


def test_weighted_draws_are_a_stream_of_permutations() -> None:
    """Between two epochs nothing is repeated or lost: counts never differ by more than one."""
    sampler = sampler_of(Mixed([5, 7], [0.3, 0.7]))
    counts: Counter[int] = Counter(dict.fromkeys(range(12), 0))
    for epoch in range(10):
        counts.update(int(i) for i in sampler.order(epoch))
        for part in (range(5), range(5, 12)):
            values = [counts[i] for i in part]
            assert max(values) - min(values) <= 1


def test_half_of_a_data_set_is_not_always_the_same_half() -> None:
    sampler = sampler_of(Mixed([10, 20], [2, 1]))
    halves = [frozenset(i for i in sampler.order(e).tolist() if i >= 10) for e in range(6)]
    assert all(len(half) == 10 for half in halves)
    assert len(set(halves[::2])) == 3


def test_data_sets_are_mixed_within_an_epoch() -> None:
    order = sampler_of(Mixed([50, 50], [1, 1])).order(0)
    assert 10 < (order[:50] < 50).sum() < 40


def test_equal_weights_of_unequal_roots() -> None:
    sampler = sampler_of(Mixed([2, 10], [1, 1]), shuffle=False)
    assert sampler.order(0).tolist() == [0, 1, 0, 1, 0, 1, 2, 3, 4, 5, 6, 7]
    assert sampler.order(1).tolist() == [0, 1, 0, 1, 0, 1, 8, 9, 10, 11, 2, 3]


def test_rank_must_exist() -> None:
    with pytest.raises(ConfigError, match="rank 2 of 2"):
        sampler_of(range(3), 2, 2)


def test_seed_is_drawn_where_none_is_given(monkeypatch) -> None:
    monkeypatch.setattr("daseg.datasets.samplers.sync_random_seed", lambda: 99)
    assert EndlessSampler(range(3)).seed == 99
