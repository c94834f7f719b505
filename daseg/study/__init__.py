"""A study: many trainings and tests as one command, and the report of what they show together."""

from daseg.study.claims import check_claims
from daseg.study.collect import check_study, read_results
from daseg.study.file import Row, Step, Study, read_study
from daseg.study.processes import StudyError, choose_devices
from daseg.study.report import summary, write_report
from daseg.study.run import run_study
from daseg.study.selection import chosen_checkpoints

__all__ = [
    "Row",
    "Step",
    "Study",
    "StudyError",
    "check_claims",
    "check_study",
    "choose_devices",
    "chosen_checkpoints",
    "read_results",
    "read_study",
    "run_study",
    "summary",
    "write_report",
]
