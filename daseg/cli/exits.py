"""How a command ends: its exit status, and one message for each error."""

import functools
import io
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn, ParamSpec

from daseg.cli.unexpected import hides_another, keep_traceback, report
from daseg.utils.errors import UserError
from daseg.utils.parent import PARENT, end_with_named_parent
from daseg.utils.signals import PASSED_ON_SECONDS, TWICE_SECONDS, Stopped, obeyed
from daseg.utils.verbosity import shows_tracebacks

Arguments = ParamSpec("Arguments")


def reports_errors(main: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Wrap the main function of a program, so that it ends as a shell expects.

    A `UserError` is one message and exit status 2, without a traceback. Every other error is one
    message and status 1; its traceback goes into the log file, see `daseg.cli.unexpected`. A
    signal that asks to stop gives the status that shells use, 130 for Ctrl-C; a second signal ends
    the program at once, with the same status.
    """

    @functools.wraps(main)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        for stream in (sys.stdout, sys.stderr):  # names of files may not be valid text
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        is_passed_on = "TORCHELASTIC_RUN_ID" in os.environ or PARENT in os.environ
        again_after = PASSED_ON_SECONDS if is_passed_on else TWICE_SECONDS
        with obeyed(_end_at_once, again_after):
            end_with_named_parent()
            _run(functools.partial(main, *args, **kwargs))

    return run


def _run(main: Callable[[], None]) -> None:
    try:
        with obeyed():
            main()
    except UserError as error:
        if hides_another(error) or shows_tracebacks():
            keep_traceback(error, always=False)
        print(f"error: {_without_trace(str(error))}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as stop:
        # A loader's worker may die of the same signal; a thread that it talked to says so late.
        sys.excepthook = lambda *_: None
        by_name = isinstance(stop, Stopped) and stop.number != signal.SIGINT
        print(f"\n{stop if by_name else 'stopped by the user'}", file=sys.stderr)
        sys.exit(stop.status if isinstance(stop, Stopped) else 130)
    except BrokenPipeError:  # `daseg ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        print(f"error: {report(error)}", file=sys.stderr)
        sys.exit(1)


def _end_at_once(first: int) -> NoReturn:
    """End without tidying up: what is half written lies under a temporary name."""
    os.write(2, b"\nstopped at once by a second signal\n")
    os._exit(128 + first)


def _without_trace(message: str) -> str:
    """Cut off the traceback that torch puts before the message of an error in a loader's worker."""
    if not message.startswith("Caught ") or "Traceback (most recent call last)" not in message:
        return message
    lines = message.splitlines()
    last_frame = max(i for i, line in enumerate(lines) if line.startswith("  "))
    return "\n".join(lines[last_frame + 1 :]).partition(": ")[2]
