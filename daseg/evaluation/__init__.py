"""Evaluation: the metric, its report, and the protocol beside it."""

from daseg.evaluation.card_file import load_card
from daseg.evaluation.iou import IoUMetric
from daseg.evaluation.label_free import LabelFreeScores
from daseg.evaluation.protocol import (
    ProtocolCard,
    checkpoint_choice,
    compare,
    write_card,
)
from daseg.evaluation.report import IoUResult, load_matrix

__all__ = [
    "IoUMetric",
    "IoUResult",
    "LabelFreeScores",
    "ProtocolCard",
    "checkpoint_choice",
    "compare",
    "load_card",
    "load_matrix",
    "write_card",
]
