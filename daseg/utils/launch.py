"""torchrun with the exit status of its processes, for ``--gpus`` and ``tools/dist_train.sh``.

torchrun itself dies from SIGUSR1 and leaves its processes running, obeys SIGHUP in spite of
``nohup``, and always ends with status 1 and a traceback.
"""

import signal
import sys
from types import FrameType

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import get_args_parser, main

HANDLED = ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1")
# Statuses of a process that has told the user what is wrong, or that a signal has stopped.
EXPLAINED = (1, 2, *(128 + getattr(signal, name) for name in HANDLED if hasattr(signal, name)))


def launch(arguments: list[str]) -> int:
    """Run torchrun with these arguments; return the exit status."""
    try:
        main([*_signals(), *arguments])
    except SignalException as stop:
        return 128 + int(stop.sigval)
    except ChildFailedError as error:
        rank, first = error.get_first_failure()
        if first.exitcode in EXPLAINED:
            return int(first.exitcode)
        code = first.exitcode
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        print(f"error: process {rank} {how}; the others were stopped", file=sys.stderr)
        return 1
    return 0


def _signals() -> list[str]:
    """The option that lists the signals to pass on: those that are not ignored."""
    there = [name for name in HANDLED if hasattr(signal, name)]
    names = [n for n in there if signal.getsignal(getattr(signal, n)) != signal.SIG_IGN]
    if any("--signals-to-handle" in each.option_strings for each in get_args_parser()._actions):
        return [f"--signals-to-handle={','.join(names)}"]
    if "SIGUSR1" in names:  # older versions of torch handle the others
        signal.signal(signal.SIGUSR1, _pass_on)
    return []


def _pass_on(number: int, frame: FrameType | None) -> None:
    raise SignalException(f"signal {number}", sigval=signal.Signals(number))


if __name__ == "__main__":
    sys.exit(launch(sys.argv[1:]))
