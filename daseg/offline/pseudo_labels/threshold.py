"""Which pixels get a pseudo-label: thresholds, fixed or from histograms of the scores."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from daseg.utils.errors import ConfigError, DataError
from daseg.utils.files import atomic_write
from daseg.utils.json_files import read_arrays

# Lower edges of the bins of a score between 0 and 1: in steps of 0.0001 up to 0.99, from there 2000
# for each power of ten of the distance to 1, as far as float32 tells them apart, and 1 itself: half
# of the pixels of a road may have a probability above 0.9999.
_NEAR_ONE = 1 - 10.0 ** -np.arange(2, 7.25, 0.0005)
EDGES = np.concatenate([np.arange(9900) / 10_000, _NEAR_ONE, [1.0]]).astype(np.float32)
BINS = len(EDGES)
Kind = Literal["none", "fixed", "class-balanced", "entropy"]
KINDS = ("none", "fixed", "class-balanced", "entropy")
# The kinds of threshold that an argument belongs to.
USED_BY = dict(value=("fixed", "class-balanced"), quantile=("class-balanced",), keep=("entropy",))


@dataclass(frozen=True)
class Threshold:
    """Which pixels keep their pseudo-label; the others get 255.

    Args:
        kind: "none": all. "fixed": those of a probability of at least ``value``.
            "class-balanced": a threshold for each predicted class, ``min(value, median of the
            class's probabilities)`` (Li et al., "Bidirectional Learning", CVPR 2019, in its code);
            with ``quantile`` that quantile instead of the median, and no upper bound (Zou et al.,
            "Unsupervised Domain Adaptation for Semantic Segmentation via Class-Balanced
            Self-Training", ECCV 2018: the share of a class that it takes is 1 - quantile).
            "entropy": the share ``keep`` of all pixels that have the least entropy.
        value: 0..1; None: 0.9.
        quantile: 0 (keeps all) to below 1.
        keep: Above 0 to 1; None: 0.5.

    Raises:
        ConfigError: There is no such kind, a number is out of range, or belongs to another kind.
    """

    kind: Kind = "none"
    value: float | None = None
    quantile: float | None = None
    keep: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"threshold is one of {', '.join(KINDS)}, not {self.kind!r}")
        for name, kinds in USED_BY.items():
            if getattr(self, name) is not None and self.kind not in kinds:
                raise ConfigError(
                    f"{name} has no effect with the threshold {self.kind}: it belongs to "
                    f"{' and '.join(kinds)}"
                )
        if self.value is not None and self.quantile is not None:
            raise ConfigError("value bounds the median; with quantile there is no bound")
        if not 0 <= self.bound <= 1 or not 0 <= (self.quantile or 0) < 1:
            raise ConfigError("value is in 0..1, quantile at least 0 and below 1")
        if not 0 < self.share <= 1:
            raise ConfigError(f"keep is a share above 0 and at most 1, not {self.keep}")

    @property
    def bound(self) -> float:
        """``value``, or its default."""
        return 0.9 if self.value is None else self.value

    @property
    def share(self) -> float:
        """``keep``, or its default."""
        return 0.5 if self.keep is None else self.keep

    @property
    def needs_histogram(self) -> bool:
        """Whether all images are looked at before the first one gets its pseudo-label."""
        return self.kind in ("class-balanced", "entropy")

    def settings(self) -> dict[str, Any]:
        """The kind and the arguments that count, for the manifest."""
        own: dict[str, Any] = dict(kind=self.kind)
        if self.kind == "entropy":
            return own | dict(keep=self.share)
        if self.quantile is not None:
            return own | dict(quantile=self.quantile)
        return own if self.kind == "none" else own | dict(value=self.bound)

    def score(self, prob: Tensor) -> Tensor:
        """Probabilities (K,H,W) to the score (H,W), 0..1: the largest one, or 1 - the entropy."""
        if self.kind != "entropy":
            return prob.amax(0)
        entropy = torch.special.entr(prob).sum(0) / math.log(len(prob))
        return (1 - entropy).clamp(0, 1)

    def cuts(self, counts: np.ndarray) -> list[float]:
        """The threshold of each class, from the histogram (K,BINS) of its scores.

        A class without a pixel has the bound, or 0 where there is none.
        """
        if self.kind == "entropy":
            return [_quantile(counts.sum(0), 1 - self.share)] * len(counts)
        if self.quantile is not None:
            return [_quantile(each, self.quantile) for each in counts]
        found = [_quantile(each, 0.5) if each.any() else self.bound for each in counts]
        return [min(self.bound, cut) for cut in found]

    def kept(self, score: Tensor, classes: Tensor, cuts: Sequence[float]) -> Tensor:
        """Which pixels (H,W) keep the pseudo-label ``classes``, by the threshold of its class."""
        if self.kind == "none":
            return torch.ones_like(classes, dtype=torch.bool)
        if self.kind == "fixed":
            return score >= self.bound
        # Bins are compared with bins, as they were counted: rounding moves no pixel.
        return bins(score) >= bins(torch.tensor(cuts, device=score.device))[classes]


def bins(score: Tensor) -> Tensor:
    """The bin of each score 0..1, long."""
    edges = torch.from_numpy(EDGES).to(score.device)
    return (torch.bucketize(score.float(), edges, right=True) - 1).clamp(min=0)


def _quantile(counts: np.ndarray, share: float) -> float:
    """The lower edge of the bin that holds the pixel with a share of ``share`` below it."""
    total = int(counts.sum())
    if not total:
        return 0.0
    return float(EDGES[np.searchsorted(np.cumsum(counts), int(share * total), side="right")])


class Histogram:
    """Scores by predicted class, counted over the images one after the other.

    It is a small file, so that a run which is stopped goes on where it was.

    Args:
        path: The file.
        num_classes: K.
        settings: What the scores depend on. A file with other settings is not read.

    Attributes:
        counts: (K,BINS) numbers of pixels.
        sources: SHA-256 of the file of each image, in their order.
    """

    def __init__(self, path: Path, num_classes: int, settings: dict[str, Any]) -> None:
        self.path, self.settings = path, json.dumps(settings, sort_keys=True)
        self.counts = np.zeros((num_classes, BINS), np.int64)
        self.sources: list[str] = []
        self._read()

    def _read(self) -> None:
        try:
            names = ("settings", "counts", "sources")
            settings, counts, sources = read_arrays(self.path, "a histogram", names)
        except DataError:
            return  # missing or damaged: all is counted again
        fits = (counts.shape, counts.dtype) == (self.counts.shape, self.counts.dtype)
        named = sources.ndim == 1 and sources.dtype.kind == "U"
        if str(settings) == self.settings and fits and named and counts.min() >= 0:
            self.counts, self.sources = counts, sources.tolist()

    def add(self, classes: Tensor, score: Tensor, source: str) -> None:
        """Count an image: predicted classes (H,W), scores (H,W), the SHA-256 of its file."""
        place = classes.long() * BINS + bins(score)
        counted = torch.bincount(place.flatten(), minlength=self.counts.size)
        self.counts += counted.view(self.counts.shape).cpu().numpy()
        self.sources.append(source)

    def save(self) -> None:
        """Write the file, whole or not at all."""
        with atomic_write(self.path) as temporary:
            np.savez_compressed(
                temporary, counts=self.counts, sources=self.sources, settings=self.settings
            )
