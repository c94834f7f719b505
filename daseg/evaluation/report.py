"""The result of an evaluation: numbers, table, files."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from prettytable import PrettyTable

from daseg.evaluation import confusion
from daseg.utils.files import atomic_write, atomic_write_text
from daseg.utils.json_files import read_arrays, unreadable

# The names that AdaptSegNet's and its successors' logs use for Cityscapes' classes, as published.
SEED_NAMES = {"traffic light": "light", "traffic sign": "sign", "motorcycle": "motocycle"}


@dataclass
class IoUResult:
    """The numbers of one evaluation, all derived from the confusion matrix.

    Args:
        classes: Names of the K classes.
        matrix: (K,K) pixel counts; row = label, column = prediction.
        subset_means: Means over subsets of the classes, in 0..1, by name: "mIoU16".
        num_images: How many images were counted.
        input_sizes: Sizes (height, width) in pixels of the images as the network saw them.
        label_sizes: Sizes (height, width) in pixels of the labels they were compared with.
    """

    classes: tuple[str, ...]
    matrix: np.ndarray
    subset_means: dict[str, float] = field(default_factory=dict)
    num_images: int = 0
    input_sizes: list[tuple[int, int]] = field(default_factory=list)
    label_sizes: list[tuple[int, int]] = field(default_factory=list)

    @property
    def iou(self) -> np.ndarray:
        """IoU of each class, (K,) in 0..1; NaN for a class in neither label nor prediction."""
        return confusion.iou_per_class(self.matrix)

    @property
    def acc(self) -> np.ndarray:
        """Accuracy (recall) of each class, (K,) in 0..1; NaN for a class without a pixel."""
        return confusion.accuracy_per_class(self.matrix)

    @property
    def mIoU(self) -> float:
        """Mean IoU in 0..1, over the classes that have one."""
        return confusion.mean(self.iou)

    @property
    def mAcc(self) -> float:
        """Mean accuracy in 0..1, over the classes that have one."""
        return confusion.mean(self.acc)

    @property
    def pixAcc(self) -> float:
        """Share of labelled pixels that are right, 0..1."""
        return confusion.pixel_accuracy(self.matrix)

    @property
    def unlabelled(self) -> tuple[str, ...]:
        """Names of the classes without a labelled pixel: their IoU is 0 or undefined."""
        return tuple(n for n, row in zip(self.classes, self.matrix, strict=True) if not row.any())

    def summary(self) -> dict[str, float]:
        """The single numbers, in percent: mIoU, pixAcc, mAcc, then the subsets' means."""
        values = dict(mIoU=self.mIoU, pixAcc=self.pixAcc, mAcc=self.mAcc, **self.subset_means)
        return {name: 100 * value for name, value in values.items()}

    def table(self) -> str:
        """Class, IoU, accuracy, and below them the single numbers; in percent, '-' for none."""
        table = PrettyTable(["class", "IoU", "accuracy"])
        table.align = "r"
        table.align["class"] = "l"
        rows = list(zip(self.classes, self.iou, self.acc, strict=True))
        for number, (name, iou, acc) in enumerate(rows, start=1):
            table.add_row([name, _percent(iou), _percent(acc)], divider=number == len(rows))
        table.add_row(["pixAcc", "", _percent(self.pixAcc)])
        table.add_row(["mAcc", "", _percent(self.mAcc)])
        table.add_row(["mIoU", _percent(self.mIoU), ""])
        for name, value in self.subset_means.items():
            table.add_row([name, _percent(value), ""])
        note = f"\nwithout a labelled pixel: {', '.join(self.unlabelled)}"
        return table.get_string() + (note if self.unlabelled else "")

    def seed_log(self) -> str:
        r"""The lines that AdaptSegNet's evaluation ends with: ``===>road:\t97.99``, ..."""
        lines = [
            f"===>{SEED_NAMES.get(name, name)}:\t{round(100 * float(iou), 2)}"
            for name, iou in zip(self.classes, self.iou, strict=True)
        ]
        return "\n".join([*lines, f"===> mIoU: {round(100 * self.mIoU, 2)}"]) + "\n"

    def to_json(self) -> dict[str, Any]:
        """Everything but the matrix, in percent, with null for what has no value."""
        return dict(
            **{name: _json_number(value) for name, value in self.summary().items()},
            classes=list(self.classes),
            IoU=_by_class(self.classes, self.iou),
            accuracy=_by_class(self.classes, self.acc),
            **(dict(unlabelled=list(self.unlabelled)) if self.unlabelled else {}),
            num_images=self.num_images,
            input_sizes=[list(size) for size in self.input_sizes],
            label_sizes=[list(size) for size in self.label_sizes],
        )

    def save(self, out_dir: str | Path) -> None:
        """Write results.json, table.txt and confusion_matrix.npz."""
        out = Path(out_dir)
        atomic_write_text(out / "results.json", json.dumps(self.to_json(), indent=2) + "\n")
        atomic_write_text(out / "table.txt", self.table() + "\n")
        with atomic_write(out / "confusion_matrix.npz") as temporary:
            np.savez_compressed(temporary, matrix=self.matrix, classes=np.array(self.classes))


def load_matrix(path: str | Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read a ``confusion_matrix.npz``: the (K,K) counts and the class names.

    Raises:
        DataError: The file is missing or not one that `IoUResult.save` wrote.
    """
    what = "a confusion matrix"
    matrix, names = read_arrays(Path(path), what, ("matrix", "classes"))
    square = matrix.ndim == 2 and matrix.shape == (names.size, names.size) and names.ndim == 1
    if not square or matrix.dtype.kind not in "iu" or names.dtype.kind != "U" or matrix.min() < 0:
        error = ValueError(
            f"matrix {matrix.dtype} {matrix.shape}, classes {names.dtype} {names.shape}: not "
            "counts, as many rows and columns as there are names"
        )
        raise unreadable(Path(path), what, error)
    return matrix, tuple(str(name) for name in names)


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.2f}"


def _json_number(value: float) -> float | None:
    # JSON knows no NaN, and readers other than Python's refuse it.
    return None if math.isnan(value) else float(value)


def _by_class(classes: Sequence[str], values: np.ndarray) -> dict[str, float | None]:
    return {n: _json_number(100 * float(v)) for n, v in zip(classes, values, strict=True)}
