"""How much a segmentor's predictions change when an image is translated."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from prettytable import PrettyTable

from daseg.evaluation import confusion

# A warning is given for a class of which at least this share of the pixels changes, ...
CHANGED = 0.2
# ... more than this share of them into one other class, ...
INTO_ONE = 0.5
# ... and which has at least this share of all pixels.
LEAST = 1e-4


class Shift(NamedTuple):
    """Pixels of a class that mostly became one other class."""

    before: str
    after: str
    changed: float  # share of the class's pixels that are another class now, 0..1
    into: float  # share of the class's pixels that are that one now, 0..1

    def __str__(self) -> str:
        return (
            f"WARNING: {100 * self.changed:.0f} % of the {self.before} pixels are no longer "
            f"{self.before} after the translation, and most of them {self.after} "
            f"({100 * self.into:.0f} %)"
        )


@dataclass
class Agreement:
    """Predictions on source images against predictions on their translations.

    Args:
        classes: Names of the K classes.
        matrix: (K,K) pixel counts; row = class on the source, column = class on the translation.
        before: (K,K) counts of label (row) and prediction on the source (column); None without
            labels.
        after: The same on the translation.
        images: Number of images; ``labelled`` of them have a label.
    """

    classes: tuple[str, ...]
    matrix: np.ndarray
    before: np.ndarray | None = None
    after: np.ndarray | None = None
    images: int = 0
    labelled: int = 0

    @property
    def iou(self) -> np.ndarray:
        """IoU of each class between the two predictions, (K,) in 0..1; NaN where it is in none."""
        return confusion.iou_per_class(self.matrix)

    @property
    def changed(self) -> np.ndarray:
        """Share of each class's pixels that are another class afterwards, (K,); NaN without any."""
        return 1 - confusion.accuracy_per_class(self.matrix)

    @property
    def share(self) -> float:
        """Share of all pixels whose class is the same, 0..1."""
        return confusion.pixel_accuracy(self.matrix)

    def label_iou(self) -> tuple[np.ndarray, np.ndarray] | None:
        """IoU of each class against the labels, on the sources and on the translations."""
        if self.before is None or self.after is None:
            return None
        return confusion.iou_per_class(self.before), confusion.iou_per_class(self.after)

    def shifts(self) -> list[Shift]:
        """Classes that mostly change into one other class: sky in which trees are drawn."""
        found = []
        totals = self.matrix.sum(1)
        moved = self.matrix - np.diag(np.diag(self.matrix))
        for index, (row, total) in enumerate(zip(moved, totals, strict=True)):
            into = int(row.argmax())
            if total == 0 or total < LEAST * self.matrix.sum():
                continue
            if row.sum() >= CHANGED * total and row[into] > INTO_ONE * row.sum():
                shares = row.sum() / total, row[into] / total
                found.append(Shift(self.classes[index], self.classes[into], *map(float, shares)))
        return found

    def table(self) -> str:
        """The numbers of each class in percent, '-' for none, and the means below them."""
        heads = ["class", "share of pixels", "IoU before/after", "pixels changed"]
        labels = self.label_iou()
        heads += [] if labels is None else ["IoU on source", "IoU on translation"]
        table = PrettyTable(heads, align="r")
        table.align["class"] = "l"
        shares = self.matrix.sum(1) / max(self.matrix.sum(), 1)
        columns = [shares, self.iou, self.changed, *(labels or ())]
        rows = list(zip(self.classes, *columns, strict=True))
        for number, (name, *values) in enumerate(rows, start=1):
            table.add_row([name, *map(_percent, values)], divider=number == len(rows))
        means = [_percent(confusion.mean(column)) for column in (self.iou, *(labels or ()))]
        table.add_row(["all", "", means[0], _percent(1 - self.share), *means[1:]])
        return table.get_string()

    def to_json(self) -> dict[str, Any]:
        """Everything in percent, with null for what has no value."""
        labels = self.label_iou()
        columns = dict(IoU=self.iou, changed=self.changed)
        if labels is not None:
            columns |= dict(label_IoU_source=labels[0], label_IoU_translated=labels[1])
        means = {f"m{n}": _number(confusion.mean(v)) for n, v in columns.items() if n != "changed"}
        return dict(
            images=self.images,
            labelled=self.labelled,
            same=_number(self.share),
            **means,
            **{
                column: {name: _number(v) for name, v in zip(self.classes, values, strict=True)}
                for column, values in columns.items()
            },
            shifts=[shift._asdict() for shift in self.shifts()],
            classes=list(self.classes),
            matrix=self.matrix.tolist(),
        )


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.2f}"


def _number(value: float) -> float | None:
    return None if np.isnan(value) else 100 * float(value)
