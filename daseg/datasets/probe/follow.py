"""Check before a training that labels follow their images through its pipeline."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from daseg.datasets.base import SegDataset
from daseg.datasets.domain_pair import DomainPair
from daseg.datasets.files.io import read_image
from daseg.datasets.loading import LoadLabel
from daseg.datasets.one_transform import name_of
from daseg.datasets.probe.geometry import texture
from daseg.datasets.pseudo_labels import LoadPseudoLabel
from daseg.datasets.rng import isolated_rng
from daseg.ops.labels import IGNORE
from daseg.ops.resize import Size
from daseg.utils.errors import ConfigError, UserError

_DRAWS = 8  # samples whose random draws are tried
_LIGHTER = 60  # grey levels
_LEVELS = 32  # grey levels that are told apart
_ALIKE = 0.7  # of the change where it should be, what is elsewhere if nothing is in its place
_LEAST = 0.05  # share of the pixels that each of the two classes has to have


def check_labels_follow(dataset: Any, place: str = "train_dataloader") -> None:
    """Refuse a data set whose pipeline moves images without their labels, or labels without them.

    The pipeline is run on a picture with two classes, and again on the same picture with one class
    lighter, with the random draws of the first samples. What has become lighter then has to lie
    where the label has that class, whatever was done to positions and colours. No label file is
    read, and the state of the random generators is kept.

    Args:
        dataset: What is trained on: a data set of files, a `MixedDataset`, a `DomainPair`.
        place: Its key in the config, for the message.

    Raises:
        ConfigError: A label does not follow its image in one of these draws.
        DataError: The first image cannot be read.
    """
    if isinstance(dataset, DomainPair):
        check_labels_follow(dataset.source, f"{place}.source")
        check_labels_follow(dataset.target, f"{place}.target")
    elif isinstance(dataset, SegDataset):
        loads = (LoadPseudoLabel, LoadLabel) if dataset.labels else LoadPseudoLabel
        if len(dataset) and any(isinstance(t, loads) for t in dataset.pipeline.transforms):
            _check(dataset, place)
    else:
        for number, part in enumerate(getattr(dataset, "datasets", ())):
            check_labels_follow(part, f"{place}.datasets[{number}]")


def _check(dataset: SegDataset, place: str) -> None:
    height, width = read_image(dataset.samples[0].image, dataset.max_value).shape[:2]
    for position in range(min(_DRAWS, len(dataset))):
        fold = _shrunk(dataset, position, (height, width))
        size = (height // fold, width // fold)
        waves = texture((height, width), (size[0] * 2 // 3, size[1] * 2 // 3))[1]
        classes = (waves > 127.5).astype(np.uint8)
        # A pattern may by chance be like what became of it: each draw has another one.
        rolled = (height // 5 * (position + 1), width // 7 * (position + 1))
        classes = np.roll(classes, rolled, (0, 1))
        # Colours that hide what is lighter seldom hide its opposite, too.
        if all(_is_parted(dataset, position, each, size) for each in (classes, 1 - classes)):
            moving = [
                name_of(step)
                for step in dataset.pipeline.transforms
                if not isinstance(step, LoadLabel)
            ]
            raise ConfigError(
                f"{place}.pipeline moves an image without its label, or the other way round: "
                f"pixels of a class are not where its label is. One of {', '.join(moving)} has to "
                "do to 'gt_seg_map' what it does to 'img', and LoadLabel has to come before it"
            )


def _shrunk(dataset: SegDataset, position: int, size: Size) -> int:
    """By how many a draw's resizing divides an image of ``size``, as a power of two; at least 1.

    A pattern that is finer than the pixels of the result tells nothing of it. Resizing is told by
    "scale_factor", which mmcv's transforms and ours set; others may, as one number or several.
    """
    plain = np.zeros(size, np.uint8)
    with isolated_rng(dataset.seed or 0, position):
        picture = np.repeat(plain[..., None], 3, 2)
        *_, scale = _run(dataset.pipeline.transforms, dataset.describe(0), picture, plain)
    return 2 ** max(0, math.ceil(-math.log2(np.min(scale))))


def _is_parted(dataset: SegDataset, position: int, classes: np.ndarray, size: Size) -> bool:
    """Whether a draw parts these classes from their label; images are resized to about ``size``."""
    picture = texture(classes.shape, size)[1] * ((255 - _LIGHTER) / 255)
    seen = []
    for each in (picture, picture + _LIGHTER * classes, 60 + 120 * classes):
        colour = np.repeat(each.astype(np.uint8)[..., None], 3, 2)
        with isolated_rng(dataset.seed or 0, position):
            described = dataset.describe(0)
            seen.append(_run(dataset.pipeline.transforms, described, colour, classes))
    (before, label, _), (after, *_), (flat, *_) = seen
    return _parted(before, after, label) and _parted(None, flat, label)


def _run(
    steps: Sequence[Any], results: dict[str, Any], picture: np.ndarray, label: np.ndarray
) -> tuple[Any, Any, Any]:
    """Run a pipeline on a picture and a label in place of those of the files.

    Returns:
        The picture and the label that come out, None where nothing does; its last "scale_factor".
    """
    image = found = None
    scale: Any = (1.0, 1.0)
    results["label_reader"] = _Given(label)
    for step in steps:
        try:
            if isinstance(step, LoadPseudoLabel):
                results["gt_seg_map"] = label.copy()
            else:
                results = step(results)
        except UserError:
            raise
        except Exception:
            return None, None, scale  # it tells nothing; reading the sample will
        if not isinstance(results, dict):
            return None, None, scale
        scale = results.get("scale_factor", scale)
        if image is None and isinstance(results.get("img"), np.ndarray):
            if results["img"].shape != picture.shape:
                return None, None, scale
            results["img"] = picture.astype(results["img"].dtype)
        image, found = results.get("img", image), results.get("gt_seg_map", found)
    return image, found, scale


def _parted(before: Any, after: Any, label: Any) -> bool:
    """Whether a class that was made lighter lies elsewhere than its label.

    A change of colours can hide one of two ways to make it lighter, but not both: lighter than
    ``before``, which has many grey levels; or, without ``before``, one grey level per class.
    """
    arrays = (after if before is None else before, after, label)
    if not all(isinstance(each, np.ndarray) and each.size for each in arrays):
        return False
    if arrays[0].shape != after.shape or label.ndim != 2:
        return False
    width_height = after.shape[1::-1]
    small = np.asarray(Image.fromarray(label.astype(np.uint8)).resize(width_height, 0))
    first, second = (each.reshape(*each.shape[:2], -1).mean(2) for each in arrays[:2])
    one, other = (small == value for value in (1, 0))
    if min(one.sum(), other.sum()) < max(_LEAST * (small != IGNORE).sum(), 64):
        return False
    if before is None:
        mean = (second[one].mean() + second[other].mean()) / 2
        spread = second[one | other].std()
        return bool(spread > 1 and abs(second[one].mean() - mean) < 0.4 * spread)
    change = _unexpected(first, second - first, other)
    strong, weak = change[one].mean(), change[other].mean()
    return bool(max(strong, weak) > 0.5 and weak > _ALIKE * strong)


def _unexpected(first: np.ndarray, change: np.ndarray, dark: np.ndarray) -> np.ndarray:
    """How much pixels have changed beyond the dark pixels of the same grey level.

    A transform that depends on the whole image, such as an equalisation, changes these as well.
    """
    found = np.zeros_like(change)
    low, high = float(first.min()), float(first.max())
    level = ((first - low) * (_LEVELS / max(high - low, 1e-6))).astype(int)
    for each in np.unique(level):
        here = level == each
        usual = change[here & dark]
        found[here] = abs(change[here] - (np.median(usual) if usual.size else 0))
    return found


class _Given:
    """Gives a label without opening a file."""

    def __init__(self, label: np.ndarray) -> None:
        self.label = label

    def read(self, path: Any) -> np.ndarray:
        return self.label.copy()
