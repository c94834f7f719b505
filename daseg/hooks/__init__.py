"""What happens beside the train step."""

from daseg.hooks.adabn import AdaBNHook
from daseg.hooks.checkpoint import CheckpointHook
from daseg.hooks.label_free import LabelFreeScoresHook
from daseg.hooks.logger import LoggerHook
from daseg.hooks.observatory import ObservatoryHook
from daseg.hooks.progress import ProgressHook
from daseg.hooks.pseudo_label import PseudoLabelHook
from daseg.hooks.record_data import RecordDataHook
from daseg.hooks.report import ReportHook
from daseg.hooks.train_log import TrainLogHook
from daseg.hooks.translation_pictures import TranslationPicturesHook

__all__ = [
    "AdaBNHook",
    "CheckpointHook",
    "LabelFreeScoresHook",
    "LoggerHook",
    "ObservatoryHook",
    "ProgressHook",
    "PseudoLabelHook",
    "RecordDataHook",
    "ReportHook",
    "TrainLogHook",
    "TranslationPicturesHook",
]
