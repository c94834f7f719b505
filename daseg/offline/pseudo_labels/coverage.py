"""How many pixels have a pseudo-label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from prettytable import PrettyTable

from daseg.utils.manifest import Entry


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
