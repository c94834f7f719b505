"""A study: many trainings and tests as one command, and the report of what they show together."""

from daseg.study.choosing import chosen_checkpoints
from daseg.study.definition import Row, Step, Study
from daseg.study.processes import StudyError, choose_devices
from daseg.study.reading import parse_study, read_results, read_study
from daseg.study.report import summary, write_report
from daseg.study.run import run_study

__all__ = [
    "Row",
    "Step",
    "Study",
    "StudyError",
    "choose_devices",
    "chosen_checkpoints",
    "parse_study",
    "read_results",
    "read_study",
    "run_study",
    "summary",
    "write_report",
]
