"""Shuffling within windows: what is prepared in shards is read shard by shard."""

from itertools import islice

import numpy as np
import pytest

from daseg.datasets.samplers import EndlessSampler
from daseg.utils.errors import ConfigError


class Mixed:
    """What `MixedDataset` shows of itself to a sampler."""

    sizes, weights = [20, 10], [2.0, 1.0]

    def __len__(self) -> int:
        return 30


def sampler(dataset, **options):
    return EndlessSampler(dataset, seed=7, **{"rank": 0, "world_size": 1, **options})


def test_each_window_is_a_run_of_the_data_set():
    epochs = [sampler(range(23), window=5).order(epoch) for epoch in range(3)]
    for order in epochs:
        assert sorted(order) == list(range(23))
        # Where the window of the last three samples comes, the next ones begin three later.
        windows, rest = [], order.tolist()
        while rest:
            size = 3 if rest[0] >= 20 else 5
            windows.append(rest[:size])
            rest = rest[size:]
        assert all(max(w) - min(w) == len(w) - 1 and min(w) % 5 == 0 for w in windows)
        assert any(w != sorted(w) for w in windows)
    assert len({tuple(order) for order in epochs}) == 3


def test_order_and_resume_are_exact():
    whole = list(islice(sampler(range(23), window=5), 60))
    late = sampler(range(23), window=5)
    late.start_at(31)
    assert list(islice(late, 29)) == whole[31:]
    ranks = [list(islice(sampler(range(23), window=5, rank=r, world_size=2), 30)) for r in range(2)]
    assert [item for pair in zip(*ranks, strict=True) for item in pair] == whole


def test_data_sets_are_mixed_and_each_keeps_its_windows():
    order = sampler(Mixed(), window=4).order(0)
    assert sorted(order) == list(range(30))
    alone = sampler(range(20), window=4)
    assert np.array_equal(order[order < 20], alone.order(0))
    assert (order[:15] >= 20).any()
    assert (order[15:] >= 20).any()


@pytest.mark.parametrize("options", [dict(window=0), dict(window=3, shuffle=False)])
def test_a_window_that_makes_no_sense(options):
    with pytest.raises(ConfigError, match="a window is of at least 1 sample"):
        sampler(range(5), **options)
