"""The endless stream of training samples: each follows from its position alone."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from daseg.datasets.base import SampleIndex
from daseg.datasets.domain_pair import PairIndex, domain_seeds
from daseg.registry import DATA_SAMPLERS
from daseg.utils.errors import ConfigError
from daseg.utils.seed import derive_seed


@DATA_SAMPLERS.register_module()
class EndlessSampler(Sampler[SampleIndex]):
    """Yields samples without end, each with its position in one stream that all processes share.

    The stream consists of epochs of ``len(dataset)`` samples, each shuffled by (seed, epoch);
    process r of W yields the positions r, r + W, r + 2W, ... The order of an epoch follows from
    its number, so that a resumed run starts at any position without reading the samples before.

    For a `MixedDataset` each data set gets a quota of every epoch by its weight (by largest
    remainder), taken from an endless stream of its own permutations, so that each of its images
    comes equally often.

    Args:
        dataset: Has a length; optionally ``sizes`` and ``weights`` of its parts, and
            ``inherit_seed``.
        shuffle: False: samples come in the data set's order, again and again.
        seed: Seed of the order. None: one is drawn, the same for all processes.
        rank: This process; None: from the distributed environment.
        world_size: Number of processes; None: from the distributed environment.
    """

    def __init__(
        self,
        dataset: Any,
        shuffle: bool = True,
        seed: int | None = None,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        here, world = get_dist_info()
        self.rank = here if rank is None else rank
        self.world_size = world if world_size is None else world_size
        if not 0 <= self.rank < self.world_size:
            raise ConfigError(f"rank {self.rank} of {self.world_size} processes")
        self.shuffle = shuffle
        self.seed = int(sync_random_seed() if seed is None else seed)
        self.sizes: list[int] = list(getattr(dataset, "sizes", [len(dataset)]))
        self.quotas = quotas(sum(self.sizes), getattr(dataset, "weights", self.sizes))
        self.position = 0
        if hasattr(dataset, "inherit_seed"):
            dataset.inherit_seed(self.seed)

    def start_at(self, position: int) -> None:
        """Let the next iteration begin at a position of the stream (samples of all processes)."""
        self.position = position

    def __len__(self) -> int:
        """Samples in one epoch, of all processes together."""
        return sum(self.sizes)

    def __iter__(self) -> Iterator[SampleIndex]:
        size, position = len(self), self.position
        position += (self.rank - position) % self.world_size
        epoch, order = -1, np.empty(0, np.int64)
        while True:
            if position // size != epoch:
                epoch = position // size
                order = self.order(epoch)
            yield SampleIndex(int(order[position % size]), position)
            position += self.world_size

    def order(self, epoch: int) -> np.ndarray:
        """Indices of the samples of an epoch, in their order; (len,) integers."""
        starts = np.cumsum([0, *self.sizes[:-1]])
        chosen = [
            start + self._draw(part, epoch * quota, quota)
            for part, (start, quota) in enumerate(zip(starts, self.quotas, strict=True))
        ]
        order = np.concatenate(chosen)
        return order[self._permutation(len(order), 0, epoch)] if self.shuffle else order

    def _draw(self, part: int, begin: int, count: int) -> np.ndarray:
        """Places begin .. begin + count of a data set's own stream of permutations."""
        size = self.sizes[part]
        first, last = begin // size, (begin + count - 1) // size
        rounds = [
            self._permutation(size, 1 + part, r) if self.shuffle else np.arange(size)
            for r in range(first, last + 1)
        ]
        return np.concatenate(rounds)[begin - first * size :][:count]

    def _permutation(self, size: int, *key: int) -> np.ndarray:
        # RandomState: numpy promises that its stream never changes.
        return np.random.RandomState(derive_seed(self.seed, *key)).permutation(size)


@DATA_SAMPLERS.register_module()
class PairSampler(Sampler[PairIndex]):
    """Yields pairs of samples of a `DomainPair` without end, each domain from its own stream.

    The streams are those of two `EndlessSampler`, shuffled by different seeds, so that neither an
    epoch's length nor the order of one domain says anything about the other. Both are shared out
    over the processes, and start at any position, as there.

    Args:
        dataset: Has ``source``, which may be None, and ``target``.
        shuffle: False: samples come in the data set's order, again and again.
        seed: Seed of both. None: one is drawn, the same for all processes.
        rank: This process; None: from the distributed environment.
        world_size: Number of processes; None: from the distributed environment.

    Raises:
        ConfigError: The data set has no two domains.
    """

    def __init__(
        self,
        dataset: Any,
        shuffle: bool = True,
        seed: int | None = None,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        if not (hasattr(dataset, "source") and hasattr(dataset, "target")):
            raise ConfigError(
                f"PairSampler draws from a DomainPair; for a {type(dataset).__name__} use "
                "sampler=dict(type='EndlessSampler')"
            )
        self.seed = int(sync_random_seed() if seed is None else seed)
        of_source, of_target = domain_seeds(self.seed)
        self.source: EndlessSampler | None = None
        if dataset.source is not None:
            self.source = EndlessSampler(dataset.source, shuffle, of_source, rank, world_size)
        self.target = EndlessSampler(dataset.target, shuffle, of_target, rank, world_size)

    def start_at(self, position: int) -> None:
        """Let the next iteration begin at a position of both streams."""
        if self.source is not None:
            self.source.start_at(position)
        self.target.start_at(position)

    def __len__(self) -> int:
        """Samples in one epoch of the source, else of the target, of all processes together."""
        return len(self.target if self.source is None else self.source)

    def __iter__(self) -> Iterator[PairIndex]:
        sources: Iterable[SampleIndex | None]
        sources = itertools.repeat(None) if self.source is None else self.source
        for source, target in zip(sources, self.target, strict=True):
            yield PairIndex(source, target)


def quotas(total: int, weights: Sequence[float]) -> list[int]:
    """Share out ``total`` samples in proportion to weights, by the largest remainder.

    Raises:
        ConfigError: A weight is so small that its data set would never be drawn from.
    """
    exact = np.asarray(weights, np.float64) / np.sum(weights) * total
    shares = np.floor(exact).astype(int)
    by_remainder = np.argsort(shares - exact, kind="stable")
    shares[by_remainder[: total - shares.sum()]] += 1
    if shares.min() == 0:
        raise ConfigError(
            f"weights {list(weights)} share out an epoch of {total} samples as {shares.tolist()}: "
            "a data set would never be drawn from; raise its weight or leave it out"
        )
    return [int(share) for share in shares]
