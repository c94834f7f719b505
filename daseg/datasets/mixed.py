"""Several data sets as one."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from daseg.datasets.base import SampleIndex, sample_index
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError
from daseg.utils.files import atomic_write_text


@DATASETS.register_module()
class MixedDataset(Dataset[dict[str, Any]]):
    """Samples of several data sets of the same classes, mixed with weights.

    It lists the samples of all of them, one after the other; `EndlessSampler` reads ``sizes`` and
    ``weights`` and draws in that proportion.

    Args:
        datasets: Data sets, or their configs; each keeps its own pipeline.
        weights: Share of each in the samples drawn; they need not add up to 1. None: each by its
            number of images.

    Raises:
        ConfigError: The classes differ, or the weights do not fit the data sets.
    """

    def __init__(self, datasets: Sequence[Any], weights: Sequence[float] | None = None) -> None:
        if not datasets:
            raise ConfigError("MixedDataset needs at least one data set")
        self.datasets = [DATASETS.build(part) for part in datasets]
        self.sizes = [len(part) for part in self.datasets]
        self.weights = [float(w) for w in (self.sizes if weights is None else weights)]
        self._starts = [0, *accumulate(self.sizes)]
        known = [getattr(part, "metainfo", None) or {} for part in self.datasets]
        # Of the first data set that names classes; others may have none.
        self.metainfo = next((each for each in known if each.get("classes")), {})
        self._check()

    def _check(self) -> None:
        if len(self.weights) != len(self.datasets) or min(self.weights) <= 0:
            raise ConfigError(
                f"MixedDataset: {len(self.datasets)} data sets need as many weights above 0, "
                f"got {self.weights}"
            )
        for part in self.datasets[1:]:
            own = (getattr(part, "metainfo", None) or {}).get("classes")
            if own and tuple(own) != tuple(self.metainfo["classes"]):
                raise ConfigError(
                    "MixedDataset: the classes differ: "
                    f"{self.datasets[0]} has {self.metainfo['classes']}, {part} has {own}"
                )

    def __len__(self) -> int:
        return self._starts[-1]

    def __repr__(self) -> str:
        return f"MixedDataset({self.datasets}, weights={self.weights})"

    @property
    def samples(self) -> list[Any]:
        """Files of all samples."""
        return [sample for part in self.datasets for sample in part.samples]

    @property
    def names(self) -> list[str]:
        """Names of all samples; two data sets may use the same."""
        return [name for part in self.datasets for name in part.names]

    def __getitem__(self, index: int | SampleIndex) -> dict[str, Any]:
        """The sample of that place in the joint list; see `SegDataset.__getitem__`."""
        place = sample_index(index, len(self))
        part = bisect_right(self._starts, place.index) - 1
        return self.datasets[part][place._replace(index=place.index - self._starts[part])]

    def inherit_seed(self, seed: int) -> None:
        """Give the sampler's seed to every data set that has none."""
        for part in self.datasets:
            part.inherit_seed(seed)

    def list_lines(self) -> list[str]:
        """A heading and the names for each data set."""
        return [line for part in self.datasets for line in part.list_lines()]

    def write_list(self, path: str | Path) -> None:
        """Write the names of all samples, those of each data set under a heading of its own."""
        atomic_write_text(path, "\n".join(self.list_lines()) + "\n")
