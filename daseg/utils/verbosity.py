"""How much is shown on the console."""

import os

VERBOSE = "DASEG_VERBOSE"  # set to 1: the whole log, and tracebacks, as by the option -v
TRACEBACK = "DASEG_TRACEBACK"  # set to 1: tracebacks


def is_verbose() -> bool:
    """Whether the whole log is shown."""
    return os.environ.get(VERBOSE, "") not in ("", "0")


def shows_tracebacks() -> bool:
    """Whether every error shows its traceback."""
    return is_verbose() or os.environ.get(TRACEBACK, "") not in ("", "0")
