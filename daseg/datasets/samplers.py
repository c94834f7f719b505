"""The endless stream of training samples: each follows from its position alone."""

import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from mmengine.logging import print_log
from torch.utils.data import Sampler

from daseg.datasets.base import SampleIndex
from daseg.datasets.domain_pair import PairIndex, domain_seeds
from daseg.datasets.rare_classes import rare_classes
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
        window: Shuffle within windows of so many samples that follow each other in the data set,
            and the windows: what is prepared in shards is read shard by shard. None: shuffle all.
    """

    def __init__(
        self,
        dataset: Any,
        shuffle: bool = True,
        seed: int | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        window: int | None = None,
    ) -> None:
        if window is not None and (window < 1 or not shuffle):
            raise ConfigError(
                f"a window is of at least 1 sample, and needs shuffle=True; got window={window} "
                f"and shuffle={shuffle}"
            )
        self.window = window
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
        if not self.shuffle or (self.window is not None and len(chosen) == 1):
            return order
        mix = self._permutation(len(order), 0, epoch)
        if self.window is None:
            return order[mix]
        # Which data set comes when is shuffled; each one's samples stay in its own order.
        parts = np.repeat(np.arange(len(chosen)), self.quotas)[mix]
        for part, own in enumerate(chosen):
            order[parts == part] = own
        return order

    def _draw(self, part: int, begin: int, count: int) -> np.ndarray:
        """Places begin .. begin + count of a data set's own stream of permutations."""
        size = self.sizes[part]
        first, last = begin // size, (begin + count - 1) // size
        rounds = [
            self._round(size, 1 + part, r) if self.shuffle else np.arange(size)
            for r in range(first, last + 1)
        ]
        return np.concatenate(rounds)[begin - first * size :][:count]

    def _round(self, size: int, *key: int) -> np.ndarray:
        """All samples of a data set once, in a shuffled order."""
        if self.window is None:
            return self._permutation(size, *key)
        starts = np.arange(0, size, self.window)[self._permutation(-(-size // self.window), *key)]
        windows = [
            start + self._permutation(min(self.window, size - start), *key, 1 + start)
            for start in starts.tolist()
        ]
        return np.concatenate(windows)

    def _permutation(self, size: int, *key: int) -> np.ndarray:
        # RandomState: numpy promises that its stream never changes.
        return np.random.RandomState(derive_seed(self.seed, *key)).permutation(size)


@DATA_SAMPLERS.register_module()
class RareClassSampler(EndlessSampler):
    """Yields samples without end, each drawn for a class: rare classes more often.

    Hoyer et al., "DAFormer", CVPR 2022, section 3.3: the class first, then an image with enough of
    it; see `RareClasses`. `RandomCrop` with ``class_pixels`` then looks for the class in the image.
    Every sample is drawn so, independently of the others, by (seed, position) alone: a resumed run
    and any number of processes draw the same.

    The labels of the data set are counted once (`daseg.datasets.class_statistics`).

    Args:
        dataset: A data set of daseg's with labels, or a `MixedDataset` of such.
        temperature: The lower, the more often rare classes are drawn.
        min_pixels: An image is drawn for a class that it has more pixels of than this, at the
            size of the label file; 3000 is meant for GTA5's 1914x1052.
        min_share: The same as a share of the image's pixels, in the place of ``min_pixels``.
        seed: Seed of the draws. None: one is drawn, the same for all processes.
        rank: This process; None: from the distributed environment.
        world_size: Number of processes; None: from the distributed environment.

    Raises:
        ConfigError: A setting is out of its range, or a part of the data set is none of daseg's.
        DataError: A label cannot be read, or no image has enough of any class.

    Attributes:
        rare: The `RareClasses` of the data set.
    """

    def __init__(
        self,
        dataset: Any,
        temperature: float = 0.01,
        min_pixels: int = 3000,
        *,
        min_share: float | None = None,
        seed: int | None = None,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        super().__init__(dataset, True, seed, rank, world_size)
        self.rare = rare_classes(
            dataset, temperature=temperature, min_pixels=min_pixels, min_share=min_share
        )
        if self.rank == 0:
            for note in self.rare.notes():
                text = f"rare class sampling of {dataset}: {note}"
                print_log(text, logger="current", level=logging.WARNING)

    def __iter__(self) -> Iterator[SampleIndex]:
        first = self.position + (self.rank - self.position) % self.world_size
        for position in itertools.count(first, self.world_size):
            # RandomState: numpy promises that its stream never changes.
            rng = np.random.RandomState(derive_seed(self.seed, position))
            for_class, index = self.rare.draw(rng)
            yield SampleIndex(index, position, for_class)


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
        source_sampler: Config of what draws from the source, such as
            ``dict(type='RareClassSampler')``. None: an `EndlessSampler`.
        window: Shuffle each domain within windows, as `EndlessSampler` does.

    Raises:
        ConfigError: The data set has no two domains, or no source for ``source_sampler``.
    """

    def __init__(
        self,
        dataset: Any,
        shuffle: bool = True,
        seed: int | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        source_sampler: dict[str, Any] | None = None,
        window: int | None = None,
    ) -> None:
        if not (hasattr(dataset, "source") and hasattr(dataset, "target")):
            raise ConfigError(
                f"PairSampler draws from a DomainPair; for a {type(dataset).__name__} use "
                "sampler=dict(type='EndlessSampler')"
            )
        self.seed = int(sync_random_seed() if seed is None else seed)
        of_source, of_target = domain_seeds(self.seed)
        self.source: Any = None
        if dataset.source is None and source_sampler is not None:
            raise ConfigError("PairSampler: source_sampler is given, but there is no source domain")
        if source_sampler is not None:
            places = dict(seed=of_source, rank=rank, world_size=world_size)
            settings = {**places, **source_sampler, "dataset": dataset.source}
            self.source = DATA_SAMPLERS.build(settings)
        elif dataset.source is not None:
            self.source = EndlessSampler(
                dataset.source, shuffle, of_source, rank, world_size, window
            )
        self.target = EndlessSampler(dataset.target, shuffle, of_target, rank, world_size, window)

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
