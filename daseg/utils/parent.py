"""Processes that end with the one that has started them, also where that is killed."""

import os
import signal
import threading
import time
from collections.abc import Mapping

PARENT = "DASEG_PARENT"  # environment variable: the number of the process to end with
POLL_SECONDS, GRACE_SECONDS = 1.0, 8.0


def named_parent() -> Mapping[str, str]:
    """What to add to the environment of a tool that is to end with this process."""
    return {PARENT: str(os.getpid())}


def end_with_named_parent() -> None:
    """End with the process that the environment names; without one, do nothing."""
    number = os.environ.pop(PARENT, None)  # what this one starts is its own affair
    if number is not None:
        end_with(int(number))


def end_with(parent: int) -> None:
    """From now on, stop as by SIGTERM when the parent has died, and a little later end at once.

    Where there is time, so much of the work is saved. A thread looks, since what the kernel offers
    (Linux's PR_SET_PDEATHSIG) is about the thread that has started this process, not the process.

    Args:
        parent: Number of the process that has started this one.
    """
    if os.name == "posix":  # elsewhere a process does not learn that its parent has died
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(128 + signal.SIGTERM)
