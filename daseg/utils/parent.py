"""Processes that end when their parent dies, even if it is killed."""

import os
import signal
import threading
import time
from collections.abc import Mapping

PARENT = "DASEG_PARENT"  # environment variable: the number of the process to end with
POLL_SECONDS, GRACE_SECONDS = 1.0, 8.0


def named_parent() -> Mapping[str, str]:
    """Environment variables for a tool that has to end with this process."""
    return {PARENT: str(os.getpid())}


def end_with_named_parent() -> None:
    """End with the process that the environment names, if any."""
    number = os.environ.pop(PARENT, None)  # not for the processes that this one starts
    if number is not None:
        end_with(int(number))


def end_with(parent: int) -> None:
    """Stop as after SIGTERM when the parent has died, and end at once a little later.

    In between, work can be saved. A thread polls, since Linux's PR_SET_PDEATHSIG depends on the
    thread that started this process, not on the parent process.

    Args:
        parent: Process number of the parent.
    """
    if os.name == "posix":  # elsewhere a process does not learn that its parent has died
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(128 + signal.SIGTERM)
