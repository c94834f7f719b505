"""A study: many trainings and tests as one command, whose report says what they show together."""

from daseg.engine.study.file import Row, Step, Study, read_study
from daseg.engine.study.processes import StudyError, choose_devices
from daseg.engine.study.run import run_study

__all__ = [
    "Row",
    "Step",
    "Study",
    "StudyError",
    "choose_devices",
    "read_study",
    "run_study",
]
