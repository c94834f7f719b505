"""The report of a study: many trainings, what they measured, and what follows from it."""

from daseg.evaluation.study.claims import check_claims
from daseg.evaluation.study.collect import check_study, read_study
from daseg.evaluation.study.report import summary, write_report
from daseg.evaluation.study.selection import chosen_checkpoints

__all__ = [
    "check_claims",
    "check_study",
    "chosen_checkpoints",
    "read_study",
    "summary",
    "write_report",
]
