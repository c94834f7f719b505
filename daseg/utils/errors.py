"""Errors that are the user's to mend: shown as one message, without a traceback, by the tools."""


class UserError(Exception):
    """Something outside the code is wrong: the message says what, where, and what to do."""


class ConfigError(UserError):
    """A config names something that does not exist or cannot work."""


class DataError(UserError):
    """A file of a data set is missing, unreadable or not what it should be."""


class WriteError(DataError, OSError):
    """A file cannot be written: the disk is full, or the place is none that files go to."""


class WorkerError(UserError, RuntimeError):
    """A process that reads data has died, or cannot hand over what it has read."""


class CheckpointError(UserError):
    """A checkpoint cannot be read or does not fit the model."""


class TrainingDivergedError(UserError, FloatingPointError):
    """A loss, or a weight, has become infinite or not a number."""


class LabelFirewallError(UserError):
    """Code asked for the label of a target image in training."""

    def __init__(
        self,
        message: str = (
            "a target image has no label in training: adaptation is unsupervised, and its number "
            "would not be true if it saw the labels. Use source.label; or train supervised on the "
            "target, without a DomainPair (configs/adaptseg/oracle.py)"
        ),
    ) -> None:
        super().__init__(message)
