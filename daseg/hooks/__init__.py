"""What happens beside the train step."""

from daseg.hooks.record_data import RecordDataHook
from daseg.hooks.train_log import TrainLogHook

__all__ = ["RecordDataHook", "TrainLogHook"]
