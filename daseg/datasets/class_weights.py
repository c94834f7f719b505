"""Weights of the classes in a loss, from how many pixels they have."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from daseg.datasets.class_statistics import class_counts
from daseg.datasets.target_labels import leaves
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError, DataError


def class_weights(counts: np.ndarray, rule: str = "median", largest: float = 10.0) -> np.ndarray:
    """A weight for each class; the rarer, the larger.

    Args:
        counts: (N, K) pixels of each of the K classes in each of N labels.
        rule: "median" (Eigen and Fergus, "Predicting Depth, Surface Normals and Semantic Labels",
            ICCV 2015, section 4.3.3): the median of all frequencies divided by the class's, which
            is its share of the labelled pixels in those images that have it. "enet" (Paszke et al.,
            "ENet", arXiv 2016, section 5.2): 1 / ln(1.02 + p) with p the share of the labelled
            pixels of all images. "sqrt": 1 / sqrt(p), divided by the mean of all.
        largest: No weight is larger; a class without a pixel has this one.

    Returns:
        (K,) float64.

    Raises:
        ConfigError: There is no such rule, or ``largest`` is not positive.
        DataError: No pixel has a class.
    """
    if rule not in ("median", "enet", "sqrt") or largest <= 0:
        raise ConfigError(f"rule is 'median', 'enet' or 'sqrt', largest above 0: {rule}, {largest}")
    pixels = counts.sum(0).astype(np.float64)
    there = pixels > 0
    if not there.any():
        raise DataError("no pixel of the training labels has a class")
    weights = np.full(len(pixels), float(largest))
    share = pixels[there] / pixels.sum()
    if rule == "median":
        of_images = np.array([counts[counts[:, c] > 0].sum() for c in np.flatnonzero(there)])
        frequency = pixels[there] / of_images
        weights[there] = np.median(frequency) / frequency
    elif rule == "enet":
        weights[there] = 1 / np.log(1.02 + share)
    else:
        weights[there] = share**-0.5 / np.mean(share**-0.5)
    return np.minimum(weights, largest)


def training_counts(cfg: Mapping[str, Any]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Pixels (N, K) of each class in the labels that a config trains on, and the classes.

    Raises:
        ConfigError: The config has no training data.
        DataError: A label cannot be read.
    """
    dataset = (cfg.get("train_dataloader") or {}).get("dataset")
    if dataset is None:
        raise ConfigError("the config has no train_dataloader.dataset, whose classes are counted")
    built = DATASETS.build(dataset.get("source") or dataset)
    classes = tuple(built.metainfo["classes"])
    counts = np.concatenate([class_counts(leaf) for leaf in leaves(built)])
    return counts[:, : len(classes)], classes
