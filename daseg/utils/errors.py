"""Errors that are the user's to mend: shown as one message, without a traceback, by the tools."""


class UserError(Exception):
    """Something outside the code is wrong: the message says what, where, and what to do."""


class ConfigError(UserError):
    """A config names something that does not exist or cannot work."""


class DataError(UserError):
    """A file of a data set is missing, unreadable or not what it should be."""


class CheckpointError(UserError):
    """A checkpoint cannot be read or does not fit the model."""
