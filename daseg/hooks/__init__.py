"""What happens beside the train step."""

from daseg.hooks.checkpoint import CheckpointHook
from daseg.hooks.progress import ProgressHook
from daseg.hooks.record_data import RecordDataHook
from daseg.hooks.train_log import TrainLogHook

__all__ = ["CheckpointHook", "ProgressHook", "RecordDataHook", "TrainLogHook"]
