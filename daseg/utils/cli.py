"""What every command-line tool shares: how it ends."""

import functools
import io
import os
import sys
from collections.abc import Callable

from daseg.utils.errors import UserError


def door(main: Callable[[], None]) -> Callable[[], None]:
    """Wrap a tool's ``main``: the user's errors are one message and exit status 2, no traceback.

    Ctrl-C ends with status 130. Every other error keeps its traceback, since it is a bug of ours.
    """

    @functools.wraps(main)
    def run() -> None:
        for stream in (sys.stdout, sys.stderr):  # names of files may be no text
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            main()
        except UserError as error:
            print(f"error: {_without_trace(str(error))}", file=sys.stderr)
            sys.exit(2)
        except KeyboardInterrupt:
            # A loader's worker dies of the same signal; a thread that it talked to says so late.
            sys.excepthook = lambda *_: None
            print("\nstopped by the user", file=sys.stderr)
            sys.exit(130)
        except BrokenPipeError:  # `tools/... | head`: nobody reads on
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)

    return run


def _without_trace(message: str) -> str:
    """Cut off the traceback that torch puts before the message of an error in a loader's worker."""
    if not message.startswith("Caught ") or "Traceback (most recent call last)" not in message:
        return message
    lines = message.splitlines()
    last_frame = max(i for i, line in enumerate(lines) if line.startswith("  "))
    return "\n".join(lines[last_frame + 1 :]).partition(": ")[2]
