"""Evaluation: the metric, its report, the protocol beside it, and pictures of results."""

from daseg.evaluation.curves import plot_curves, read_curve
from daseg.evaluation.iou import IoUMetric
from daseg.evaluation.pictures import panel
from daseg.evaluation.protocol import (
    ProtocolCard,
    checkpoint_choice,
    compare,
    load_card,
    write_card,
)
from daseg.evaluation.report import IoUResult, load_matrix

__all__ = [
    "IoUMetric",
    "IoUResult",
    "ProtocolCard",
    "checkpoint_choice",
    "compare",
    "load_card",
    "load_matrix",
    "panel",
    "plot_curves",
    "read_curve",
    "write_card",
]
