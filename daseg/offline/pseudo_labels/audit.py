"""The accuracy of pseudo-labels, measured on validation images, whose labels may be read."""

import json
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmengine import Config
from prettytable import PrettyTable

from daseg.datasets import SegDataset
from daseg.datasets.pipeline import require_whole
from daseg.datasets.probe.preview import check_whole
from daseg.datasets.target_labels import label_files
from daseg.evaluation import confusion
from daseg.offline.images import in_order
from daseg.offline.pseudo_labels.labelling import AUDIT_FILES, Labelling
from daseg.ops.labels import IGNORE
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError, DataError
from daseg.utils.files import atomic_write_text
from daseg.utils.progress import track


@dataclass(frozen=True)
class Audit:
    """Pseudo-labels of validation images against their labels.

    Attributes:
        images: What they were measured on.
        classes: Names of the K classes.
        labelled: (K,) labelled pixels of each class.
        matrix: (K,K) pixels that have a label and a pseudo-label; row = label.
    """

    images: str
    classes: tuple[str, ...]
    labelled: np.ndarray
    matrix: np.ndarray

    @property
    def accuracy(self) -> np.ndarray:
        """Of the pseudo-labels of each class, the share that is right, (K,); NaN without any."""
        return confusion.accuracy_per_class(self.matrix.T)

    @property
    def coverage(self) -> np.ndarray:
        """Of the pixels of each class, the share with a pseudo-label, (K,); NaN without any."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.matrix.sum(1) / self.labelled)

    def overall(self) -> tuple[float, float]:
        """Accuracy and coverage of all pixels together."""
        return confusion.pixel_accuracy(self.matrix), self.matrix.sum() / self.labelled.sum()

    def content(self) -> dict[str, Any]:
        """The numbers, 0..1, None for those that are none."""
        accuracy, coverage = self.overall()
        rows = zip(self.classes, self.accuracy, self.coverage, strict=True)
        by_class = {n: dict(accuracy=_number(a), coverage=_number(c)) for n, a, c in rows}
        total = dict(accuracy=_number(accuracy), coverage=_number(coverage))
        return dict(images=self.images, overall=total, classes=by_class)

    def table(self) -> str:
        """The numbers in percent, '-' for none."""
        table = PrettyTable(["class", "accuracy", "coverage"], align="r")
        table.align["class"] = "l"
        content = self.content()
        for name, row in [*content["classes"].items(), ("all", content["overall"])]:
            table.add_row([name, *("-" if v is None else f"{100 * v:.2f}" for v in row.values())])
        return f"pseudo-labels of validation images, {self.images}\n{table.get_string()}"


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)


def audit_data(cfg: Config, target: SegDataset) -> SegDataset:
    """The config's validation images, with labels.

    Args:
        cfg: A whole config.
        target: The images that get pseudo-labels.

    Raises:
        ConfigError: There are none, or some of them are images that get pseudo-labels.
        DataError: Their files are not there.
    """
    part = (cfg.get("val_dataloader") or {}).get("dataset")
    if not part:
        raise ConfigError(f"--audit: {cfg.filename} has no val_dataloader.dataset")
    dataset = DATASETS.build(part)
    if not isinstance(dataset, SegDataset) or not dataset.labels:
        raise ConfigError(f"--audit: val_dataloader.dataset {dataset} has no labels")
    train = {os.path.realpath(sample.image) for sample in target.samples}
    train |= label_files(target) or set()
    used = [path for sample in dataset.samples for path in (sample.image, sample.label)]
    both = [str(path) for path in used if path and os.path.realpath(path) in train]
    if both:
        raise ConfigError(
            "--audit: labels of the target's training images are not looked at, but "
            f"val_dataloader.dataset has {both[0]}, which is one of those"
        )
    check_whole(dataset, "val_dataloader.dataset.pipeline")
    return dataset


def audit_job(job: Labelling, dataset: SegDataset, workers: int) -> Audit:
    """Compare; write ``audit.txt`` and ``audit.json`` beside the pseudo-labels.

    Raises:
        DataError: A file cannot be read, or has no label.
    """
    count = len(job.classes)
    labelled, matrix = np.zeros(count, np.int64), np.zeros((count, count), np.int64)
    for sample in track(in_order(dataset, workers), len(dataset), "auditing"):
        if "label" not in sample:
            raise DataError("--audit: the pipeline of val_dataloader has no LoadLabel")
        require_whole([sample["meta"]])
        label = sample["label"]
        shape = (label.shape[0], label.shape[1])
        pseudo = job.label(job.predict(sample["image"], shape)).cpu()
        labelled += np.bincount(label.flatten(), minlength=IGNORE + 1)[:count]
        both = label.masked_fill(pseudo == IGNORE, IGNORE)
        matrix += confusion.confusion_matrix(pseudo, both, count)
    audit = Audit(repr(dataset), job.classes, labelled, matrix)
    content = dict(checkpoints=job.networks) | audit.content()
    text, data = (job.set.out / name for name in AUDIT_FILES)
    atomic_write_text(data, json.dumps(content, indent=1) + "\n")
    atomic_write_text(text, audit.table() + "\n")
    return audit
