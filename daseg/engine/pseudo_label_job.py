"""One making of pseudo-labels: whose images, by which networks, above which threshold."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine import Config
from torch import Tensor

from daseg.api import init_segmentor, test_steps
from daseg.datasets import SegDataset
from daseg.datasets.domain_pair import without_labels
from daseg.engine.average import checkpoint_paths
from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.config import load_config
from daseg.engine.parallel_set import ParallelSet, write_picture
from daseg.engine.pseudo_label_teacher import target_labels_seen
from daseg.engine.pseudo_label_threshold import Histogram, Threshold
from daseg.engine.translation_data import Item, TranslationImages, only_one, training_set
from daseg.segmentor import segmentor_config
from daseg.utils.errors import ConfigError
from daseg.utils.labels import IGNORE
from daseg.utils.manifest import Entry
from daseg.utils.weights import sha256_file

CONFIDENCE = "confidence"  # folder of the confidence maps
HISTOGRAM = "histogram.npz"


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


class Job:
    """One making of pseudo-labels, from a config.

    Args: as of `pseudo_label`.
    """

    def __init__(
        self,
        config: str | Path,
        checkpoints: str | Path | Sequence[str | Path],
        out: Path,
        *,
        data: str | Path | None,
        threshold: Threshold,
        tta: bool,
        confidence_map: bool,
        limit: int | None,
        device: str,
        world: str | None,
        cfg_options: dict[str, Any],
    ) -> None:
        if limit is not None and limit < 1:
            raise ConfigError(f"limit is at least 1, not {limit}")
        self.cfg = load_config(config, cfg_options, world=world)
        self.paths = checkpoint_paths(checkpoints)
        self.threshold, self.confidence_map = threshold, confidence_map
        self.segmentor = init_segmentor(
            config, self.paths, device, tta=tta, cfg_options=cfg_options, world=world
        )
        self.target = target_images(self.cfg, data)
        self.classes = tuple(self.target.metainfo["classes"])
        if len(self.classes) != self.segmentor.num_classes:
            raise ConfigError(
                f"the network has {self.segmentor.num_classes} classes, the target {self.target} "
                f"has {len(self.classes)}"
            )
        self.set = ParallelSet(self.target, out)
        self.indices = range(min(len(self.target), limit or len(self.target)))
        self.steps = test_steps(self.cfg)
        self.inference = dict(segmentor_config(self.cfg).get("inference") or {})
        self.tta = dict(self.cfg.tta) if tta else None

    def networks(self) -> list[dict[str, str]]:
        """Name and SHA-256 of each checkpoint."""
        return [dict(name=path.name, sha256=sha256_file(path)) for path in self.paths]

    def target_labels_seen(self) -> int | None:
        """How many labels of the target the networks were trained with; None: not known."""
        return target_labels_seen([read_checkpoint(path) for path in self.paths], self.target)

    def settings(self) -> dict[str, Any]:
        """What makes a pseudo-label what it is, beside its image and the place of the data."""
        settings: dict[str, Any] = dict(
            checkpoints_sha256=[network["sha256"] for network in self.networks()],
            inference=self.inference,
            tta=self.tta,
            resizing=self.steps,
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
        return TranslationImages(self.target, self.steps, todo=todo)

    def predict(self, image: Tensor, size: tuple[int, int]) -> Prediction:
        """Segment an image (3,h,w), uint8 RGB, at a size (H,W)."""
        prob = self.segmentor.predict(image[None], size)[0].float()
        confidence, classes = prob.max(0)
        return Prediction(classes, confidence, self.threshold.score(prob))

    def label(self, prediction: Prediction, cuts: Sequence[float]) -> Tensor:
        """The pseudo-label (H,W): the classes, and 255 below the threshold."""
        kept = self.threshold.kept(prediction.score, prediction.classes, cuts)
        return torch.where(kept, prediction.classes, IGNORE)

    def write(
        self, item: Item, classes: np.ndarray, label: np.ndarray, confidence: np.ndarray | None
    ) -> tuple[str, Entry]:
        """Write the files of an image, (H,W) uint8 each; return its name and its entry."""
        sample, path = self.target.samples[item.index], self.set.label_path(item.index)
        entry: Entry = dict(
            source=str(sample.image.relative_to(self.target.root)),
            source_sha256=item.sha256,
            size=[label.shape[1], label.shape[0]],
            predicted=np.bincount(classes.ravel(), minlength=len(self.classes)).tolist(),
            kept=np.bincount(label.ravel(), minlength=256)[: len(self.classes)].tolist(),
        )
        if confidence is not None:
            below = Path(CONFIDENCE, f"{sample.name}.png")
            entry |= dict(confidence=str(below))
            write_picture(self.set.out / below, confidence)
        entry |= dict(file=str(path.relative_to(self.set.out)), sha256=write_picture(path, label))
        return sample.name, entry


def target_images(cfg: Config, root: str | Path | None = None) -> SegDataset:
    """The training images of a config that get pseudo-labels, without labels.

    The target of a pair, or all that it trains on where it does not train on a pair.

    Raises:
        ConfigError: It trains on several data sets at once.
        DataError: The images are not there.
    """
    part = training_set(cfg)
    part = dict(part.get("target", part))
    if root is not None:
        part["root"] = str(root)
    # Of a supervised training the labels are not looked at either.
    return only_one(without_labels({**part, "labels": False}), "target", cfg)
