"""Check before a training or a test what its pipeline does to the first image."""

from pathlib import Path
from typing import Any

import numpy as np

from daseg.datasets.base import SegDataset
from daseg.datasets.files.io import read_image
from daseg.datasets.probe.geometry import texture
from daseg.datasets.rng import Draws, isolated_rng
from daseg.utils.errors import ConfigError

_DRAWS = 16  # samples whose random draws are tried


def check_whole(dataset: Any, place: str) -> None:
    """Refuse a data set whose pipeline does more to an image than stretch it, or changes labels.

    The first image of each of its data sets is read, but no label, and the state of the random
    generators is kept. A pipeline with random draws is tried with those of the first samples.

    Args:
        dataset: A data set that is to be tested, validated or adapted to; may be a `MixedDataset`.
        place: Its key in the config, for the message.

    Raises:
        ConfigError: The pipeline does more, or changes labels.
        DataError: The first image cannot be read, or its numbers are not 0..255 in the end.
    """
    for leaf in getattr(dataset, "datasets", [dataset]):
        if leaf is not dataset:
            check_whole(leaf, place)
        elif isinstance(leaf, SegDataset) and len(leaf):
            _check_leaf(leaf, place)


def _check_leaf(dataset: SegDataset, place: str) -> None:
    image = dataset.samples[0].image
    for position in range(min(_DRAWS, len(dataset))):
        with isolated_rng(dataset.seed or 0, position):
            before = Draws.now()
            _, moved = dataset.pipeline.whole(
                {**dataset.describe(0), "label_reader": _Pattern(image, dataset.max_value)}
            )
            fixed = before.same(Draws.now())
        if moved:
            raise ConfigError(f"{place}: {moved}")
        if fixed:
            return


class _Pattern:
    """Gives a pattern of two classes in place of the label file, which is not opened."""

    def __init__(self, image: Path, max_value: int | None) -> None:
        self.image, self.max_value = image, max_value

    def read(self, path: Any) -> np.ndarray:
        height, width = read_image(self.image, self.max_value).shape[:2]
        return (texture((height, width), (height, width))[1] > 127).astype(np.uint8)
