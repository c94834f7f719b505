"""A study: many trainings and tests as one command, and the report of what they show together."""

from daseg.study.choosing import chosen_checkpoints
from daseg.study.definition import Row, Step, Study
from daseg.study.launchers import Launcher, Local, build_launcher
from daseg.study.making import StudyError
from daseg.study.reading import parse_study, read_results, read_study
from daseg.study.report import summary, write_report
from daseg.study.run import run_study
from daseg.study.slurm import Slurm

__all__ = [
    "Launcher",
    "Local",
    "Row",
    "Slurm",
    "Step",
    "Study",
    "StudyError",
    "build_launcher",
    "chosen_checkpoints",
    "parse_study",
    "read_results",
    "read_study",
    "run_study",
    "summary",
    "write_report",
]
