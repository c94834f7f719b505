"""The data of a config in a small world: other folders, other sizes, the same pipelines."""

from pathlib import Path
from typing import Any

from daseg.utils.errors import ConfigError
from daseg.utils.walk import walk
from daseg.worlds.world import Size, World

# Arguments that say where a data set lies, beside `type`; a world has its own.
PLACE_KEYS = ("root", "split", "list_file", "label_root", "annotation")


def world_loader(loader: dict[str, Any], split: str, world: World) -> dict[str, Any]:
    """A dataloader of the split train, val or test, in a world."""
    changed = loader | {"dataset": world_dataset(loader["dataset"], split, world)}
    if loader.get("num_workers", 0) > 1:
        changed["num_workers"] = 1
    changed["batch_size"] = max(loader.get("batch_size", 1), world.least_batch)
    return changed


def world_dataset(dataset: dict[str, Any], split: str, world: World) -> dict[str, Any]:
    """A data set, or one made of several, in a world.

    Raises:
        ConfigError: It is none that the world has something for, or is in this world already.
    """
    keys = ("source", "target", "labelled_target", "datasets")
    parts = {key: dataset[key] for key in keys if dataset.get(key) is not None}
    if not parts:
        return _leaf(dataset, split, world)
    changed = dict(dataset)
    for key, part in parts.items():
        several = isinstance(part, (list, tuple))
        made = [world_dataset(each, split, world) for each in (part if several else [part])]
        changed[key] = made if several else made[0]
    if dataset.get("pseudo_labels") is not None:
        changed["pseudo_labels"] = world.pseudo_labels
    _equal_windows(dataset, changed)
    return changed


def _equal_windows(real: dict[str, Any], changed: dict[str, Any]) -> None:
    """Make windows equal that really are, in place: images are mixed that differ in size before."""
    windows: dict[Size, list[dict[str, Any]]] = {}
    for (_, step), (_, new) in zip(_crops(real), _crops(changed), strict=True):
        windows.setdefault(tuple(step["crop_size"]), []).append(new)
    for steps in windows.values():
        smallest = tuple(map(min, *(step["crop_size"] for step in steps), (1 << 30,) * 2))
        for step in steps:
            step["crop_size"] = smallest


def _crops(node: dict[str, Any]) -> list[tuple[str, Any]]:
    """The transforms of a data set that cut out a window, and their places."""
    return [(p, v) for p, v in walk(node, "") if isinstance(v, dict) and "crop_size" in v]


def _leaf(dataset: dict[str, Any], split: str, world: World) -> dict[str, Any]:
    name, root = dataset["type"], str(dataset.get("root", ""))
    if {Path(world.root), Path(world.translated)} & {Path(root), *Path(root).parents}:
        raise ConfigError(f"its data are of this world already ({root}): leave --world out")
    declared = world.datasets.get(name, {})
    label_root = dataset.get("label_root", dataset.get("root"))
    small = declared.get(split if label_root in (None, dataset.get("root")) else "translated")
    if small is None and split in declared:
        raise ConfigError(f"the labels of {name} at {label_root} have no counterpart in the world")
    if small is None:
        raise ConfigError(
            f"the world has nothing to put in the place of the data set {name} at {root}, only of "
            f"{', '.join(world.datasets)}: leave --world out"
        )
    kept = {key: value for key, value in dataset.items() if key not in (*PLACE_KEYS, "type")}
    if kept.get("num_samples"):
        share = kept["num_samples"] / declared["images"]
        kept["num_samples"] = max(1, round(share * small["images"]))
    if "pipeline" in kept:
        kept["pipeline"] = world_pipeline(kept["pipeline"], world)
    return {key: value for key, value in small.items() if key != "images"} | kept


def world_pipeline(steps: list[dict[str, Any]], world: World) -> list[dict[str, Any]]:
    """Transforms with the world's sizes.

    A window that fits into the smallest image that the real pipeline makes still fits; one that is
    larger stays larger, and is padded as it really is.
    """
    changed, before, after = [], None, None
    for step in steps:
        new = dict(step)
        for key in ("scale", "scales"):
            value: Any = step.get(key)
            if _is_size(value):
                new[key] = world.resized(value)
            elif isinstance(value, (list, tuple)) and value and all(map(_is_size, value)):
                new[key] = [world.resized(size) for size in value]
            else:
                continue
            before = _smallest(value, step.get("ratio_range"))
            after = _smallest(new[key], step.get("ratio_range"))
        if "crop_size" in step:
            window = _inside(step["crop_size"], world.cropped(step["crop_size"]), before, after)
            new["crop_size"] = tuple(side - side % world.crop_multiple for side in window)
        changed.append(new)
    return changed


def _is_size(value: Any) -> bool:
    is_pair = isinstance(value, (list, tuple)) and len(value) == 2
    return is_pair and all(isinstance(side, int) and side > 1 for side in value)


def _smallest(value: Any, ratio_range: Any) -> Size:
    """(height, width) of the smallest image that a resizing makes."""
    factor = min(ratio_range) if ratio_range else 1.0
    sizes = [value] if _is_size(value) else value
    return int(min(h for _, h in sizes) * factor), int(min(w for w, _ in sizes) * factor)


def _inside(real: Size, window: Size, before: Size | None, after: Size | None) -> Size:
    if before is None or after is None:
        return window
    sides = [
        min(side, most - most % 2) if real_side <= real_most else side
        for side, most, real_side, real_most in zip(window, after, real, before, strict=True)
    ]
    return sides[0], sides[1]
