"""Rare class sampling: which class a sample is drawn for, and which images have enough of it.

Hoyer, Dai, Van Gool, "DAFormer: Improving Network Architectures and Training Strategies for
Domain-Adaptive Semantic Segmentation", CVPR 2022, section 3.3, eq. (7) and (8).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from prettytable import PrettyTable

from daseg.datasets.base import SegDataset
from daseg.datasets.class_statistics import class_counts
from daseg.datasets.target_labels import join_labelled
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError, DataError


class RareClasses:
    """The probability of each class, and the images that are drawn for it.

    A class c that has the share f_c of all labelled pixels is drawn with P(c) = exp((1-f_c)/T) / Z.
    Then one of the images that have more than ``min_pixels`` of it is drawn. Classes that no image
    has enough of are left out, and the others drawn in the same proportion to each other.

    Args:
        counts: (N, K) pixels of each of the K classes in each of N labels.
        sizes: (N,) pixels of each label, ignored ones included.
        classes: Names of the classes.
        temperature: T above 0; the lower, the more often rare classes are drawn. Infinite: all
            classes equally often.
        min_pixels: An image has to have more pixels of the class than this, at the size of its
            label file; 3000 in the paper, of GTA5's 1914x1052.
        min_share: The same as a share of the image's pixels, which holds for images of any size;
            then ``min_pixels`` does not count. The paper's is 0.0015.
        weights: (N,) how often each image is drawn in proportion to the others, beside its
            classes; None: all alike. Pixels count with them in f_c, too.

    Raises:
        ConfigError: A setting is out of its range.
        DataError: No class is left.

    Attributes:
        shares: (K,) f_c, of the labelled pixels.
        probability: (K,) P(c); 0 for those left out.
        images: For each class the numbers of its images.
        left_out: Names of the classes with pixels, but without an image that has enough of them.
        absent: Names of the classes without a pixel.
    """

    def __init__(
        self,
        counts: np.ndarray,
        sizes: np.ndarray,
        classes: Sequence[str],
        temperature: float = 0.01,
        min_pixels: int = 3000,
        min_share: float | None = None,
        weights: np.ndarray | None = None,
    ) -> None:
        _check(temperature, min_pixels, min_share)
        self.classes = tuple(classes)
        weights = np.ones(len(counts)) if weights is None else weights
        pixels = weights @ counts
        self.shares = pixels / max(pixels.sum(), 1e-300)
        least = np.full(len(counts), min_pixels) if min_share is None else min_share * sizes
        self.images = [np.flatnonzero(column > least) for column in counts.T]
        self._places = [np.cumsum(weights[found]) for found in self.images]
        usable = np.array([len(found) > 0 for found in self.images])
        self.left_out = [n for n, p, u in zip(classes, pixels, usable, strict=True) if p and not u]
        self.absent = [name for name, p in zip(classes, pixels, strict=True) if not p]
        self.bound = (
            f"{min_pixels} pixels" if min_share is None else f"{min_share:.3%} of the pixels"
        )
        if not usable.any():
            raise DataError(
                f"rare class sampling: no image has more than {self.bound} of any class: lower "
                "min_pixels, which is meant for images of 1914x1052, or give min_share=0.0015"
            )
        # The largest exponent is 0, so that none overflows.
        exponent = (1 - self.shares) / temperature
        chances = np.where(usable, np.exp(exponent - exponent[usable].max()), 0.0)
        self.probability = chances / chances.sum()

    def draw(self, rng: np.random.RandomState) -> tuple[int, int]:
        """A class and one of its images, as (train id, number of the image)."""
        for_class = int(rng.choice(len(self.probability), p=self.probability))
        places = self._places[for_class]
        place = np.searchsorted(places, rng.random_sample() * places[-1], side="right")
        return for_class, int(self.images[for_class][min(place, len(places) - 1)])

    def table(self) -> str:
        """A row for each class: its share of the pixels, its images, how often it is drawn."""
        columns = ["class", "share of pixels (%)", f"images (> {self.bound})", "drawn (%)"]
        table = PrettyTable(columns, align="r")
        table.align["class"] = "l"
        for index in np.argsort(self.shares, kind="stable"):
            row = [f"{100 * self.shares[index]:.4f}", len(self.images[index])]
            table.add_row([self.classes[index], *row, f"{100 * self.probability[index]:.3f}"])
        return table.get_string()

    def notes(self) -> list[str]:
        """What a user should know of classes that are never drawn for."""
        found = []
        if self.left_out:
            found.append(
                f"no image has more than {self.bound} of {', '.join(self.left_out)}: nothing is "
                "drawn for them"
            )
        if self.absent:
            found.append(f"no label has a pixel of {', '.join(self.absent)}")
        return found


def _check(temperature: float, min_pixels: int, min_share: float | None) -> None:
    if not temperature > 0:
        raise ConfigError(f"RareClassSampler: temperature is above 0, not {temperature}")
    if min_pixels < 0 or not 0 <= (min_share or 0) < 1:
        raise ConfigError(
            "RareClassSampler needs min_pixels >= 0 and 0 <= min_share < 1, got "
            f"{min_pixels} and {min_share}"
        )


def rare_classes(dataset: Any, **settings: Any) -> RareClasses:
    """The `RareClasses` of a data set, or of one of several with their weights.

    Args:
        dataset: A `SegDataset` with labels, or a `MixedDataset` of such.
        settings: ``temperature``, ``min_pixels`` and ``min_share``.

    Raises:
        ConfigError: A part of the data set is none of daseg's.
        DataError: A label cannot be read.
    """
    counts, weights = _of_all(dataset)
    classes = dataset.metainfo["classes"]
    sizes, ofclass = counts.sum(1), counts[:, : len(classes)]
    return RareClasses(ofclass, sizes, classes, weights=weights, **settings)


def sampled_classes(cfg: Mapping[str, Any]) -> RareClasses:
    """The `RareClasses` of a config's training data, by its sampler's settings.

    Args:
        cfg: A whole config. Where it does not draw for classes, they are those that
            `RareClassSampler` would draw, from all images that have a pixel of the class.

    Raises:
        ConfigError: The config has no training data, or none with labels.
        DataError: A label cannot be read.
    """
    loader = cfg.get("train_dataloader") or {}
    dataset = loader.get("dataset")
    if dataset is None:
        raise ConfigError("the config has no train_dataloader.dataset, whose classes are counted")
    sampler = class_sampler(cfg) or dict(min_pixels=0)
    settings = {k: sampler[k] for k in ("temperature", "min_pixels", "min_share") if k in sampler}
    return rare_classes(_labelled(dataset), **settings)


def _labelled(dataset: Mapping[str, Any]) -> Any:
    """The labelled images of a config's training data, built: of a `DomainPair` the source's."""
    if "target" not in dataset:
        return DATASETS.build(dataset)
    source, few = (dataset.get(key) for key in ("source", "labelled_target"))
    if source is None and few is None:
        raise ConfigError(
            "the training data is the target's images alone, without labels whose classes could "
            "be counted"
        )
    built = None if source is None else DATASETS.build(source)
    if few is None:
        return built
    return join_labelled(built, DATASETS.build(few), dataset.get("labelled_share", 0.5))


def class_sampler(cfg: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The config of the sampler that draws for rare classes, where a whole config has one."""
    sampler = (cfg.get("train_dataloader") or {}).get("sampler") or {}
    sampler = sampler.get("source_sampler") or sampler
    return sampler if sampler.get("type") == "RareClassSampler" else None


def _of_all(dataset: Any) -> tuple[np.ndarray, np.ndarray]:
    """Counts (N, 256) of all labels, and weights (N,) whose mean is 1."""
    if isinstance(dataset, SegDataset):
        return class_counts(dataset), np.ones(len(dataset))
    if not hasattr(dataset, "datasets"):
        raise ConfigError(
            f"RareClassSampler counts the pixels of label files, which {dataset} does not name: "
            "derive the data set from SegDataset"
        )
    parts = [_of_all(part) for part in dataset.datasets]
    shares = np.asarray(dataset.weights) / np.sum(dataset.weights)
    weights = [
        own * share * len(dataset) / len(own) for (_, own), share in zip(parts, shares, strict=True)
    ]
    return np.concatenate([counts for counts, _ in parts]), np.concatenate(weights)
