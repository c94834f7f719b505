"""Evaluation: the metric, its report, the protocol beside it, and pictures of results."""

from daseg.evaluation.card_file import load_card
from daseg.evaluation.curves import plot_curves, read_curve
from daseg.evaluation.iou import IoUMetric
from daseg.evaluation.label_free import LabelFreeScores
from daseg.evaluation.observatory import plot_observatory
from daseg.evaluation.pictures import DomainPicture, draw_domains, panel
from daseg.evaluation.protocol import (
    ProtocolCard,
    checkpoint_choice,
    compare,
    write_card,
)
from daseg.evaluation.report import IoUResult, load_matrix

__all__ = [
    "DomainPicture",
    "IoUMetric",
    "IoUResult",
    "LabelFreeScores",
    "ProtocolCard",
    "checkpoint_choice",
    "compare",
    "draw_domains",
    "load_card",
    "load_matrix",
    "panel",
    "plot_curves",
    "plot_observatory",
    "read_curve",
    "write_card",
]
