"""One making of pseudo-labels: whose images, by which network, above which threshold."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from daseg.datasets import SegDataset
from daseg.offline.parallel_set import ParallelSet
from daseg.offline.pseudo_labels.threshold import Histogram, Threshold
from daseg.offline.recorder import Made
from daseg.offline.translation.data import Item, TranslationImages
from daseg.ops.labels import IGNORE
from daseg.segmentor import Segmentor
from daseg.utils.errors import ConfigError
from daseg.utils.files import Staged
from daseg.utils.manifest import Entry
from daseg.utils.pictures import stage_picture

CONFIDENCE = "confidence"  # folder of the confidence maps
HISTOGRAM = "histogram.npz"
AUDIT_FILES = ("audit.txt", "audit.json")


@dataclass(frozen=True)
class Prediction:
    """What the networks say of an image, (H,W) each.

    Attributes:
        classes: The most probable class, long.
        confidence: Its probability.
        score: What the threshold is of.
    """

    classes: Tensor
    confidence: Tensor
    score: Tensor


@dataclass(frozen=True)
class Means:
    """How a network is run on an image, as a config says.

    Attributes:
        steps: The transforms of the test pipeline between loading and packing.
        inference: The config of the segmentor's inference.
        tta: That of the test-time augmentation; None without.
    """

    steps: list[dict[str, Any]]
    inference: dict[str, Any]
    tta: dict[str, Any] | None


class Labelling:
    """One making of pseudo-labels, in a training or after it.

    Args:
        segmentor: The network, in eval mode; of several the first, which predicts their mean.
        networks: ``name`` and ``sha256`` of each.
        target: The data set whose images get pseudo-labels; its labels are not looked at.
        out: Folder of the pseudo-labels.
        means: How the network is run.
        threshold: Which pixels get one.
        confidence_map: Also write the probability of each pixel's class.
        limit: Only so many images, the first ones.

    Raises:
        ConfigError: The numbers of classes differ, or the steps do more than stretch an image.
        DataError: The folder is not to be written into.
    """

    def __init__(
        self,
        segmentor: Segmentor,
        networks: list[dict[str, str]],
        target: SegDataset,
        out: Path,
        *,
        means: Means,
        threshold: Threshold,
        confidence_map: bool = False,
        limit: int | None = None,
    ) -> None:
        self.segmentor, self.networks, self.target = segmentor, networks, target
        self.means, self.threshold, self.confidence_map = means, threshold, confidence_map
        self.classes = tuple(target.metainfo["classes"])
        if len(self.classes) != segmentor.num_classes:
            raise ConfigError(
                f"the network has {segmentor.num_classes} classes, the target {target} "
                f"has {len(self.classes)}"
            )
        self.set = ParallelSet(target, out)
        self.indices = range(min(len(target), limit or len(target)))
        self.images([]).check()

    def settings(self) -> dict[str, Any]:
        """What makes a pseudo-label what it is, beside its image and the place of the data."""
        settings: dict[str, Any] = dict(
            checkpoints_sha256=[network["sha256"] for network in self.networks],
            inference=self.means.inference,
            tta=self.means.tta,
            resizing=self.means.steps,
            threshold=self.threshold.settings(),
            confidence_map=self.confidence_map,
        )
        if self.threshold.needs_histogram:  # it is of all images together
            names = "\n".join(self.target.names[index] for index in self.indices)
            settings["images_sha256"] = sha256(names.encode()).hexdigest()
        return settings

    def histogram(self) -> Histogram:
        """The scores that earlier runs have counted."""
        return Histogram(self.set.out / HISTOGRAM, len(self.classes), self.settings())

    def images(self, todo: Sequence[int]) -> TranslationImages:
        """The target's images as the network takes them in testing."""
        return TranslationImages(self.target, self.means.steps, todo=todo)

    def predict(self, image: Tensor, size: tuple[int, int]) -> Prediction:
        """Segment an image (3,h,w), uint8 RGB, at a size (H,W)."""
        prob = self.segmentor.predict(image[None], size)[0].float()
        confidence, classes = prob.max(0)
        return Prediction(classes, confidence, self.threshold.score(prob))

    def label(self, prediction: Prediction, cuts: Sequence[float]) -> Tensor:
        """The pseudo-label (H,W): the classes, and 255 below the threshold."""
        kept = self.threshold.kept(prediction.score, prediction.classes, cuts)
        return torch.where(kept, prediction.classes, IGNORE)

    def confidence_path(self, name: str) -> Path:
        """Where the confidence map of an image goes."""
        return self.set.out / CONFIDENCE / f"{name}.png"

    def write(
        self, item: Item, classes: np.ndarray, label: np.ndarray, confidence: np.ndarray | None
    ) -> Made:
        """Write the files of an image, (H,W) uint8 each, beside their places."""
        sample, path = self.target.samples[item.index], self.set.label_path(item.index)
        entry: Entry = dict(
            source=str(sample.image.relative_to(self.target.root)),
            source_sha256=item.sha256,
            size=[label.shape[1], label.shape[0]],
            predicted=np.bincount(classes.ravel(), minlength=len(self.classes)).tolist(),
            kept=np.bincount(label.ravel(), minlength=256)[: len(self.classes)].tolist(),
        )
        files: list[Staged] = []
        try:
            if confidence is not None:
                shown = self.confidence_path(sample.name)
                staged, digest = stage_picture(shown, confidence, root=self.set.out)
                files.append(staged)
                below = str(shown.relative_to(self.set.out))
                entry |= dict(confidence=below, confidence_sha256=digest)
            staged, digest = stage_picture(path, label, root=self.set.out)
            files.append(staged)
        except BaseException:  # one of two is not placed
            for staged in files:
                staged.discard()
            raise
        entry |= dict(file=str(path.relative_to(self.set.out)), sha256=digest)
        return Made(sample.name, entry, files)
