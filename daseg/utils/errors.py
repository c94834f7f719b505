"""Errors that a user can correct: the tools show one message, without a traceback."""


class UserError(Exception):
    """A mistake outside the code: the message says what is wrong, where, and what to do."""


class ConfigError(UserError):
    """A config names something that does not exist or cannot work."""


class DataError(UserError):
    """A file of a data set is missing, unreadable or wrong."""


class WriteError(DataError, OSError):
    """A file cannot be written: the disk is full, or its path cannot be used."""


class WorkerError(UserError, RuntimeError):
    """A data loading process has died, or cannot hand over its data."""


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
