"""The data of a config in a small world: other folders, other sizes, the same pipelines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daseg.utils.errors import ConfigError
from daseg.utils.places import PLACES

SOURCES = ("GTA5", "SYNTHIA")
# Images of the data sets in full, of which `num_samples` is a part.
FULL = {"GTA5": 24966, "SYNTHIA": 9400, "Cityscapes": 2975}
# Arguments that say where a data set lies, beside `type`; a world has its own.
PLACE_KEYS = ("root", "split", "list_file", "label_root", "annotation")
Size = tuple[int, int]


@dataclass(frozen=True)
class Images:
    """One part of a world's images.

    Attributes:
        type: Data set that reads them.
        count: How many there are.
        folder: Their root below the world's root.
        options: Further arguments of the data set.
    """

    type: str
    count: int
    folder: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """What a small world puts in the place of the real one; see `daseg.worlds.apply.use_world`.

    Attributes:
        name: "demo" or "camvid".
        size: (width, height) at which it trains where the real one does at 1024x512.
        num_classes: Number of classes.
        source: Labelled images, for GTA5 and SYNTHIA.
        target: Training images of the target, for Cityscapes.
        val: Images to choose by.
        test: Images to report on, which nothing is chosen by.
        max_iters: Length of every training.
        least_interval: Fewest iterations between two validations, checkpoints or pictures.
        least_batch: Fewest images in a batch. At a sixteenth of the pixels, batch norm's statistics
            of a single image are too far from the running ones that it is tested with.
        highest_lr: Learning rate of the segmentor that is not exceeded.
        disc_lr_scale: Factor of the discriminators' learning rate.
    """

    name: str
    size: Size
    num_classes: int
    source: Images
    target: Images
    val: Images
    test: Images
    max_iters: int
    least_interval: int
    least_batch: int
    highest_lr: float
    disc_lr_scale: float

    @property
    def root(self) -> str:
        """Folder of its images, as the environment says."""
        return PLACES[self.name].root

    @property
    def translated(self) -> str:
        """Folder of the source's images that were translated to the target's look."""
        return PLACES[self.name].translated

    @property
    def pseudo_labels(self) -> str:
        """Folder of the pseudo-labels of the target's images."""
        return PLACES[self.name].pseudo_labels

    def resized(self, size: Size) -> Size:
        """The size (width, height) for images that are really resized to ``size``.

        The world's shape stays: the width decides.
        """
        return _even(self.size[0] * size[0] / 1024), _even(self.size[1] * size[0] / 1024)

    def cropped(self, size: Size) -> Size:
        """The window (height, width) for one of ``size`` (height, width)."""
        return _even(self.size[1] * size[0] / 512), _even(self.size[0] * size[1] / 1024)


def _even(number: float) -> int:
    return max(2, 2 * round(number / 2))


def world_loader(loader: dict[str, Any], split: str, world: World) -> dict[str, Any]:
    """A dataloader of the split train, val or test, in a world."""
    if split == "train":
        roles = {"source": world.source, "target": world.target}
    else:
        part = world.val if split == "val" else world.test
        roles = {"source": part, "target": part}
    changed = loader | {"dataset": world_dataset(loader["dataset"], roles, world)}
    if loader.get("num_workers", 0) > 1:
        changed["num_workers"] = 1
    changed["batch_size"] = max(loader.get("batch_size", 1), world.least_batch)
    return changed


def world_dataset(
    dataset: dict[str, Any], roles: Mapping[str, Images], world: World
) -> dict[str, Any]:
    """A data set, or one made of several, in a world.

    Raises:
        ConfigError: It is none that the world has something for, or is in this world already.
    """
    dataset = dict(dataset)
    parts = [key for key in ("source", "target", "datasets") if dataset.get(key) is not None]
    for key in parts:
        part = dataset[key]
        many = isinstance(part, (list, tuple))
        dataset[key] = (
            [world_dataset(p, roles, world) for p in part]
            if many
            else world_dataset(part, roles, world)
        )
    if dataset.get("pseudo_labels") is not None:
        dataset["pseudo_labels"] = world.pseudo_labels
    return dataset if parts else _leaf(dataset, roles, world)


def _leaf(dataset: dict[str, Any], roles: Mapping[str, Images], world: World) -> dict[str, Any]:
    name = dataset["type"]
    _check(dataset, world)
    images = roles["source" if name in SOURCES else "target"]
    kept = {k: v for k, v in dataset.items() if k not in (*PLACE_KEYS, "type")}
    if kept.get("num_samples"):
        kept["num_samples"] = max(1, round(kept["num_samples"] * images.count / FULL[name]))
    if "pipeline" in kept:
        kept["pipeline"] = world_pipeline(kept["pipeline"], world)
    place = dict(root=f"{world.root}/{images.folder}".rstrip("/"))
    if _is_translated(dataset):  # the images alone; the labels are the original's
        place = dict(root=world.translated, label_root=place["root"])
    return dict(type=images.type, **place, **images.options) | kept


def _is_translated(dataset: dict[str, Any]) -> bool:
    """Whether a source's images lie in another folder than its labels."""
    root, label_root = dataset.get("root"), dataset.get("label_root")
    return dataset["type"] in SOURCES and label_root is not None and label_root != root


def _check(dataset: dict[str, Any], world: World) -> None:
    name, root = dataset["type"], str(dataset.get("root", ""))
    of_this_world = {Path(world.root), Path(world.translated)}
    if of_this_world & {Path(root), *Path(root).parents}:
        raise ConfigError(f"its data are of this world already ({root}): leave --world out")
    if name not in FULL:
        raise ConfigError(
            f"the world has nothing to put in the place of the data set {name} at {root}, only of "
            f"{', '.join(FULL)}: leave --world out"
        )
    if name == "Cityscapes" and dataset.get("label_root"):
        raise ConfigError(
            f"the labels of {name} at {dataset['label_root']} have no counterpart in the world"
        )


def world_pipeline(steps: list[dict[str, Any]], world: World) -> list[dict[str, Any]]:
    """Transforms with the world's sizes.

    A window that fits into the smallest image that the real pipeline makes still fits; one that is
    larger stays larger, and is padded as it really is.
    """
    changed, before, after = [], None, None
    for step in steps:
        new = dict(step)
        for key in ("scale", "scales"):
            if _has_sizes(step.get(key)):
                new[key] = _resize_all(step[key], world)
                before = _smallest(step[key], step.get("ratio_range"))
                after = _smallest(new[key], step.get("ratio_range"))
        if "crop_size" in step:
            new["crop_size"] = window = world.cropped(step["crop_size"])
            new["crop_size"] = _fitted(step["crop_size"], window, before, after)
        changed.append(new)
    return changed


def _has_sizes(value: Any) -> bool:
    """Whether a value is a size, or a list of sizes, in pixels."""
    if not isinstance(value, (list, tuple)) or not value:
        return False
    return _is_size(value) or all(_is_size(size) for size in value)


def _is_size(value: Any) -> bool:
    is_pair = isinstance(value, (list, tuple)) and len(value) == 2
    return is_pair and all(isinstance(side, int) and side > 1 for side in value)


def _resize_all(value: Any, world: World) -> Any:
    return world.resized(value) if _is_size(value) else [world.resized(size) for size in value]


def _smallest(value: Any, ratio_range: Any) -> Size:
    """(height, width) of the smallest image that a resizing makes."""
    factor = min(ratio_range) if ratio_range else 1.0
    sizes = [value] if _is_size(value) else value
    return int(min(h for _, h in sizes) * factor), int(min(w for w, _ in sizes) * factor)


def _fitted(real: Size, window: Size, before: Size | None, after: Size | None) -> Size:
    if before is None or after is None:
        return window
    sides = [
        min(side, most - most % 2) if real_side <= real_most else side
        for side, most, real_side, real_most in zip(window, after, real, before, strict=True)
    ]
    return sides[0], sides[1]
