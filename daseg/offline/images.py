"""The images that are read: of a config's source or target, as its network takes them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from mmengine import Config
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from daseg.datasets import SegDataset
from daseg.datasets.domain_pair import without_labels
from daseg.datasets.files.io import read_image
from daseg.datasets.pipeline import Pipeline
from daseg.datasets.prepared.use import without_prepared
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError, DataError
from daseg.utils.seed import derive_seed
from daseg.utils.signals import leave_to_parent
from daseg.utils.workers import workers_of
from daseg.weights.files import sha256_file


@dataclass(frozen=True)
class Item:
    """One image as the network takes it, or why it cannot be read."""

    index: int
    image: Tensor | None = None  # (3,h,w) uint8 RGB
    size: tuple[int, int] = (0, 0)  # (H,W) of the file
    sha256: str = ""  # of the file
    target: Tensor | None = None  # (3,h',w') uint8 RGB, for translators that need one
    target_name: str | None = None
    problem: str | None = None


def training_images(
    cfg: Config, role: Literal["source", "target"], root: str | Path | None = None
) -> SegDataset:
    """The data set that a config trains on; of a pair, its source or its target.

    Args:
        cfg: A whole config.
        role: Which one of a pair. The target comes without labels, also where it is not a pair.
        root: Another root than the config's.

    Raises:
        ConfigError: The config trains on none, or on several at once.
        DataError: The images are not there.
    """
    dataset = (cfg.get("train_dataloader") or {}).get("dataset")
    if not dataset:
        raise ConfigError(f"{cfg.filename} has no train_dataloader.dataset to make one of")
    part = without_prepared(dataset.get(role, dataset))
    if root is not None:
        part["root"] = str(root)
    if role == "target":
        part = without_labels(part if "target" in dataset else part | dict(labels=False))
    kind = DATASETS.get(part["type"])
    if not isinstance(kind, type) or not issubclass(kind, SegDataset):
        raise ConfigError(
            f"{cfg.filename}: the {role} is a {part['type']}, which has no layout of its own; "
            "take its data sets one by one, with a config for each"
        )
    return kind(**{key: value for key, value in part.items() if key != "type"})


def resizing_steps(pipeline: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The transforms of a training pipeline that resize, at a random one's middle scale.

    Crops, flips and colours are left out: a whole image is translated.

    Raises:
        ConfigError: The scale is drawn from several.
    """
    return [_fixed(step) for step in pipeline if "Resize" in step["type"]]


def _fixed(step: dict[str, Any]) -> dict[str, Any]:
    if not step["type"].startswith("Random"):
        return dict(step)
    scale = step.get("scale")
    if not scale or not all(isinstance(side, int) for side in scale):
        raise ConfigError(
            f"train_dataloader: {step['type']} draws one of several scales, so that no single one "
            "is that of the training: give the pipeline one, as dict(type='ResizePIL', scale=...)"
        )
    own = ("type", "scale", "ratio_range", "resize_type")
    rest = {key: value for key, value in step.items() if key not in own}
    return dict(type=step.get("resize_type", "Resize"), scale=tuple(scale), **rest)


class SourceImages(Dataset[Item]):
    """Images of a data set, resized, each with a target image where one is needed.

    The target of image i is drawn by (seed, i) alone, so that neither the order of the work nor an
    interruption changes it.

    Args:
        source: The data set.
        steps: Transforms that resize its images.
        todo: Indices of the images to read.
        target: The target set, where the translator needs target images.
        target_steps: Transforms that resize those.
        seed: Seed of the choice.
    """

    def __init__(
        self,
        source: SegDataset,
        steps: Sequence[dict[str, Any]],
        todo: Sequence[int] = (),
        *,
        target: SegDataset | None = None,
        target_steps: Sequence[dict[str, Any]] = (),
        seed: int = 0,
    ) -> None:
        self.source, self.target, self.seed, self.todo = source, target, seed, todo
        self.resize, self.resize_target = Pipeline(steps), Pipeline(target_steps)

    def check(self) -> None:
        """Read the first image of each data set, before work begins that would be lost.

        Raises:
            ConfigError: The steps do more than stretch it.
            DataError: It cannot be read, or its numbers are not 0..255 afterwards.
        """
        for dataset, steps in ((self.source, self.resize), (self.target, self.resize_target)):
            if dataset is not None and steps.transforms and len(dataset):
                steps.resized(read_image(dataset.samples[0].image, dataset.max_value))

    def __len__(self) -> int:
        return len(self.todo)

    def __getitem__(self, number: int) -> Item:
        """Read an image; one that cannot be read, or only be stretched, has a ``problem``."""
        index = self.todo[number]
        try:
            return self._read(index)
        except (DataError, ConfigError) as error:  # a size that the steps pad or crop
            return Item(index, problem=str(error))

    def _read(self, index: int) -> Item:
        path = self.source.samples[index].image
        pixels = read_image(path, self.source.max_value)
        size = pixels.shape[0], pixels.shape[1]
        item = Item(index, _tensor(self.resize.resized(pixels)), size, sha256_file(path))
        if self.target is None:
            return item
        chosen = self.target.samples[target_of(index, len(self.target), self.seed)]
        looks = read_image(chosen.image, self.target.max_value)
        image = _tensor(self.resize_target.resized(looks))
        return replace(item, target=image, target_name=chosen.name)


def target_of(index: int, count: int, seed: int) -> int:
    """Which of ``count`` target images belongs to source image ``index``."""
    return derive_seed(seed, index) % count


def _tensor(bgr: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(bgr[..., ::-1].transpose(2, 0, 1)))


def in_order(images: Dataset[Any], workers: int) -> Iterator[Any]:
    """The items one by one, read ahead by worker processes.

    Raises:
        WorkerError: A worker has died.
    """
    options: dict[str, Any] = dict(prefetch_factor=4) if workers else {}
    options |= dict(collate_fn=_as_it_is, worker_init_fn=leave_to_parent())
    loader = DataLoader(images, batch_size=None, num_workers=workers, **options)
    with workers_of("the images", "--workers"):
        yield from loader


def _as_it_is(item: Any) -> Any:
    return item
