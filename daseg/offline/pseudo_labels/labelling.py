"""Pseudo-labels of a data set's images, in a training or after it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine import Config
from mmengine.dist import all_gather_object, all_reduce, get_world_size, is_main_process
from torch import Tensor

from daseg.api import test_steps
from daseg.datasets import SegDataset
from daseg.datasets.files.io import read_rgb
from daseg.datasets.label_reader import LabelReader
from daseg.engine.stopping import all_or_none
from daseg.offline.images import Item, SourceImages
from daseg.offline.job import Job, data_set_facts, share
from daseg.offline.pseudo_labels.coverage import Coverage
from daseg.offline.pseudo_labels.threshold import Histogram, Threshold
from daseg.offline.recorder import Made
from daseg.ops.labels import IGNORE
from daseg.segmentor import Segmentor, segmentor_config
from daseg.utils.errors import ConfigError
from daseg.utils.files import atomic_write_text
from daseg.utils.manifest import Entry
from daseg.utils.pseudo_labels import KIND
from daseg.weights.files import sha256_file

CONFIDENCE = "confidence"  # folder of the confidence maps
AUDIT_FILES = ("audit.txt", "audit.json")
SAVE_SECONDS = 20  # between two savings of the histogram


class Prediction(NamedTuple):
    """What the networks predict for an image, (H,W) each.

    Attributes:
        classes: The most probable class, long.
        confidence: Its probability.
        score: What the threshold is compared with.
    """

    classes: Tensor
    confidence: Tensor
    score: Tensor


@dataclass(frozen=True)
class PredictionSettings:
    """How a network is run on an image.

    Attributes:
        steps: The transforms of the test pipeline between loading and packing.
        inference: The config of the segmentor's inference.
        tta: That of the test-time augmentation; None without.
        batch_norm: What was done to batch norm (`daseg.engine.adabn`); None: nothing.
        amp: Whether it runs in mixed precision.
    """

    steps: list[dict[str, Any]]
    inference: dict[str, Any]
    tta: dict[str, Any] | None
    batch_norm: str | None = None
    amp: bool = False

    @classmethod
    def of(
        cls, cfg: Config, *, tta: bool, batch_norm: str | None = None, amp: bool = False
    ) -> "PredictionSettings":
        """Those of a config's test, with its test-time augmentation or without."""
        inference = dict(segmentor_config(cfg).get("inference") or {})
        return cls(test_steps(cfg), inference, dict(cfg.tta) if tta else None, batch_norm, amp)


class Labelling(Job):
    """Pseudo-labels of a data set's images.

    Args:
        segmentor: The network, in eval mode; of several the first, which predicts their mean.
        networks: ``name`` and ``sha256`` of each.
        target: The data set whose images get pseudo-labels; its labels are not looked at.
        out: Folder of the pseudo-labels.
        prediction: How the network is run.
        threshold: Which pixels get one.
        facts: What the manifest says of them beside what is known here.
        confidence_map: Also write the probability of each pixel's class.
        limit: Only so many images, the first ones.

    Raises:
        ConfigError: The numbers of classes differ, or the steps do more than stretch an image.
        DataError: The folder is not to be written into.

    Attributes:
        cuts: The threshold of each class, known once `run` makes the first image.
    """

    kind, doing = KIND, "labelling"
    cuts: list[float]

    def __init__(
        self,
        segmentor: Segmentor,
        networks: list[dict[str, str]],
        target: SegDataset,
        out: Path,
        *,
        prediction: PredictionSettings,
        threshold: Threshold,
        facts: Mapping[str, Any],
        confidence_map: bool = False,
        limit: int | None = None,
    ) -> None:
        self.segmentor, self.networks, self.facts = segmentor, networks, facts
        self.prediction, self.threshold = prediction, threshold
        self.confidence_map = confidence_map
        self.classes = tuple(target.metainfo["classes"])
        if len(self.classes) != segmentor.num_classes:
            raise ConfigError(
                f"the network has {segmentor.num_classes} classes, the target {target} "
                f"has {len(self.classes)}"
            )
        super().__init__(target, out, limit=limit)
        self.images([]).check()

    def settings(self) -> dict[str, Any]:
        """See `Job`."""
        settings: dict[str, Any] = dict(
            checkpoints_sha256=[network["sha256"] for network in self.networks],
            inference=self.prediction.inference,
            tta=self.prediction.tta,
            resizing=self.prediction.steps,
            threshold=self.threshold.settings(),
            confidence_map=self.confidence_map,
        )
        if self.prediction.batch_norm is not None:
            settings["batch_norm"] = self.prediction.batch_norm
        if self.prediction.amp:
            settings["amp"] = True
        if self.threshold.needs_histogram:  # it depends on all images together
            names = "\n".join(self.dataset.names[index] for index in self.indices)
            settings["images_sha256"] = sha256(names.encode()).hexdigest()
        return settings

    def images(self, todo: Sequence[int]) -> SourceImages:
        """The target's images as the network takes them in testing."""
        return SourceImages(self.dataset, self.prediction.steps, todo)

    def path(self, index: int) -> Path:
        """See `Job`."""
        return self.set.label_path(index)

    def confidence_path(self, name: str) -> Path:
        """The path of the confidence map of an image."""
        return self.set.out / CONFIDENCE / f"{name}.png"

    def predict(self, image: Tensor, size: tuple[int, int]) -> Prediction:
        """Segment an image (3,h,w), uint8 RGB, at a size (H,W)."""
        with torch.autocast(self.segmentor.device.type, enabled=self.prediction.amp):
            prob = self.segmentor.predict(image[None], size)[0].float()
        confidence, classes = prob.max(0)
        return Prediction(classes, confidence, self.threshold.score(prob))

    def label(self, prediction: Prediction) -> Tensor:
        """The pseudo-label (H,W): the classes, and 255 below the threshold."""
        kept = self.threshold.kept(prediction.score, prediction.classes, self.cuts)
        return torch.where(kept, prediction.classes, IGNORE)

    def compute(self, item: Item) -> tuple[np.ndarray, ...]:
        """Classes, pseudo-label and, where it is asked for, confidence 0..255, (H,W) uint8 each."""
        assert item.image is not None
        prediction = self.predict(item.image, item.size)
        maps = [prediction.classes, self.label(prediction)]
        if self.confidence_map:
            maps.append((255 * prediction.confidence).round())
        return tuple(each.byte().cpu().numpy() for each in maps)

    def write(self, item: Item, *results: np.ndarray) -> Made:
        """See `Job`; the results are those of `compute`."""
        classes, label, *confidence = results
        count, files = len(self.classes), {}
        if confidence:
            shown = self.confidence_path(self.dataset.names[item.index])
            files["confidence"] = (shown, confidence[0])
        files["file"] = (self.path(item.index), label)
        return self.stage(
            item,
            files,
            size=[label.shape[1], label.shape[0]],
            predicted=np.bincount(classes.ravel(), minlength=count).tolist(),
            kept=np.bincount(label.ravel(), minlength=256)[:count].tolist(),
        )

    def valid(self, entries: dict[str, Entry]) -> dict[str, Entry]:
        """Those that have counts and, if asked for, a confidence map, of the same thresholds."""
        whole = {name: entry for name, entry in entries.items() if self._is_valid(name, entry)}
        if self.threshold.needs_histogram and not self._is_counted(whole):
            return {}  # the thresholds will be others
        return whole

    def _is_valid(self, name: str, entry: Entry) -> bool:
        for counts in (entry.get("predicted", ()), entry.get("kept", ())):
            if len(counts) != len(self.classes) or min(counts) < 0:
                return False
        path = self.confidence_path(name)
        if not self.confidence_map:
            return True
        if entry.get("confidence") != str(path.relative_to(self.set.out)):
            return False
        there = path.is_file() and not path.is_symlink()
        return there and sha256_file(path) == entry.get("confidence_sha256")

    def _histogram(self) -> Histogram:
        """The scores that earlier runs have counted."""
        return Histogram(self.set.out / "histogram.npz", len(self.classes), self.settings())

    def _is_counted(self, whole: Mapping[str, Entry]) -> bool:
        """Whether the histogram is of all images as they are now; if of others, it is removed."""
        histogram = self._histogram()
        for index, counted in zip(self.indices, histogram.sources, strict=False):
            sample = self.dataset.samples[index]
            known = whole.get(sample.name)
            if counted != (known["source_sha256"] if known else sha256_file(sample.image)):
                histogram.path.unlink()
                return False
        return len(histogram.sources) == len(self.indices)

    def prepare(self, todo: Sequence[int], workers: int) -> None:
        """Remove an audit of labels that are replaced; find the threshold of each class."""
        for name in AUDIT_FILES if todo and is_main_process() else ():
            (self.set.out / name).unlink(missing_ok=True)
        if self.threshold.needs_histogram:
            self.cuts = self.threshold.cuts(self._count(workers))
        else:
            bound = self.threshold.bound if self.threshold.kind == "fixed" else 0.0
            self.cuts = [bound] * len(self.classes)

    def _count(self, workers: int) -> np.ndarray:
        """Look at all images that are not counted yet; the histogram (K,BINS) of the scores."""
        histogram = self._histogram()
        before, saved, done = histogram.counts.copy(), time.monotonic(), len(histogram.sources)
        with all_or_none():
            for item in self.read(share(self.indices[done:]), workers, "measuring confidence"):
                assert item.image is not None
                prediction = self.predict(item.image, item.size)
                histogram.add(prediction.classes, prediction.score, item.sha256)
                if get_world_size() == 1 and time.monotonic() - saved > SAVE_SECONDS:
                    histogram.save()
                    saved = time.monotonic()
        counted = torch.from_numpy(histogram.counts - before)
        all_reduce(counted, "sum")
        histogram.counts = before + counted.numpy()
        parts = all_gather_object(histogram.sources[done:])
        places = range(len(self.indices) - done)  # in the order of the images again; see `share`
        histogram.sources[done:] = [parts[k % len(parts)][k // len(parts)] for k in places]
        if is_main_process():
            histogram.save()
        return histogram.counts

    @cached_property
    def coverage(self) -> Coverage:
        """How many pixels of each class have a pseudo-label; known after `run`."""
        return Coverage.of(self.classes, self.entries, self.cuts)

    def finish(self, here: Sequence[int]) -> None:
        """Write ``report.txt``."""
        atomic_write_text(self.set.out / "report.txt", self.coverage.table() + "\n")

    def about(self) -> dict[str, Any]:
        """See `Job`."""
        return dict(
            **self.facts,
            checkpoints=self.networks,
            classes=list(self.classes),
            coverage=self.coverage.by_class(),
            ignored_share=round(self.coverage.ignored, 6),
            target=data_set_facts(self.dataset),
            device=str(self.segmentor.device),
        )

    def columns(self, chosen: Sequence[int]) -> dict[str, list[np.ndarray]]:
        """Image, pseudo-label and, where it is there, the probability."""
        samples = self.dataset.samples
        reader = LabelReader({k: k for k in range(len(self.classes))}, (IGNORE,))
        columns = {
            "image": [read_rgb(samples[i].image, self.dataset.max_value) for i in chosen],
            "pseudo-label": [reader.read(self.path(i)) for i in chosen],
        }
        if self.confidence_map:
            maps = [self.confidence_path(samples[i].name) for i in chosen]
            columns["probability"] = [read_rgb(path) for path in maps]
        return columns
