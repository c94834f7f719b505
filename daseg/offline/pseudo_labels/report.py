"""What pseudo-labels cover, and a sheet of them to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from prettytable import PrettyTable

from daseg.datasets.io import read_rgb
from daseg.datasets.label_reader import LabelReader
from daseg.offline.pseudo_labels.labelling import Labelling
from daseg.ops.labels import IGNORE
from daseg.utils.manifest import Entry
from daseg.visualization import contact_sheet, save_sheet

ROWS = 6


@dataclass(frozen=True)
class Coverage:
    """How many pixels have a pseudo-label.

    Attributes:
        classes: Names of the K classes.
        predicted: (K,) pixels that are predicted as the class.
        kept: (K,) those of them that have the pseudo-label.
        cuts: The threshold of each class.
    """

    classes: tuple[str, ...]
    predicted: np.ndarray
    kept: np.ndarray
    cuts: Sequence[float]

    @classmethod
    def of(
        cls, classes: tuple[str, ...], entries: Mapping[str, Entry], cuts: Sequence[float]
    ) -> "Coverage":
        """The sum over the images of a manifest."""
        none = [[0] * len(classes)]
        sums = [
            np.sum(none + [entry[key] for entry in entries.values()], axis=0)
            for key in ("predicted", "kept")
        ]
        return cls(classes, sums[0], sums[1], cuts)

    @property
    def ignored(self) -> float:
        """Share of all pixels that have none, 0..1."""
        return 1 - float(self.kept.sum() / max(int(self.predicted.sum()), 1))

    def by_class(self) -> dict[str, dict[str, Any]]:
        """For each class its threshold, share of all pixels, and the share of those kept, 0..1."""
        total = max(int(self.predicted.sum()), 1)
        return {
            name: dict(
                threshold=cut,
                share=round(predicted / total, 6),
                kept=round(kept / predicted, 6) if predicted else None,
            )
            for name, cut, predicted, kept in zip(
                self.classes, self.cuts, self.predicted.tolist(), self.kept.tolist(), strict=True
            )
        }

    def table(self) -> str:
        """The numbers in percent, '-' for none, and the share without a pseudo-label."""
        table = PrettyTable(["class", "threshold", "predicted", "kept of it"], align="r")
        table.align["class"] = "l"
        for name, row in self.by_class().items():
            kept = "-" if row["kept"] is None else f"{100 * row['kept']:.2f}"
            table.add_row([name, f"{row['threshold']:.4f}", f"{100 * row['share']:.3f}", kept])
        return f"{table.get_string()}\nwithout a pseudo-label: {100 * self.ignored:.2f} % of pixels"


def write_sheet(job: Labelling, indices: Sequence[int]) -> Path | None:
    """Draw images spread over the data set, each with its pseudo-label: ``contact_sheet.png``.

    With confidence maps these are a third column. None where there is no image.
    """
    if not indices:
        return None
    spread = np.linspace(0, len(indices) - 1, min(ROWS, len(indices))).round().astype(int)
    chosen = [indices[i] for i in spread]
    samples, palette = job.target.samples, job.target.metainfo["palette"]
    reader = LabelReader({k: k for k in range(len(job.classes))}, (IGNORE,))
    labels = [reader.read(job.set.label_path(i)) for i in chosen]
    columns = {
        "image": [read_rgb(samples[i].image, job.target.max_value) for i in chosen],
        "pseudo-label": labels,
    }
    if job.confidence_map:
        maps = [job.confidence_path(samples[i].name) for i in chosen]
        columns["probability"] = [read_rgb(path) for path in maps]
    path = job.set.out / "contact_sheet.png"
    sheet = contact_sheet(
        list(zip(*columns.values(), strict=True)),
        headings=list(columns),
        captions=[[Path(samples[i].name).name] for i in chosen],
        classes=job.classes,
        palette=palette,
    )
    save_sheet(sheet, path)
    return path
