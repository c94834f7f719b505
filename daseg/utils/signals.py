"""Signals that ask a program to stop: handled at a safe moment, and shown in the exit status.

SIGTERM (a scheduler, ``kill``), SIGINT (Ctrl-C), SIGHUP (a closed terminal) and SIGUSR1 (Slurm's
warning before the time is over) mean the same. A signal that is ignored when the program begins, as
SIGHUP is under ``nohup``, stays ignored, and handlers of other code are kept.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any

from daseg.utils.errors import ConfigError, UserError

NAMES = ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1")  # Windows has the first two
STOPPING = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))
# Handlers that may be replaced: these are the defaults.
DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)
# One signal may arrive twice: `timeout` sends it to the command and to its group, a scheduler to a
# process and to the launcher that passes it on.
TWICE_SECONDS, PASSED_ON_SECONDS = 0.25, 3.0


class Stopped(KeyboardInterrupt):
    """A signal has asked to stop; like Ctrl-C it is not caught by ``except Exception``.

    Args:
        number: Number of the signal.
        told: Whether the user has been told what is saved.
        at_once: Whether it was a second signal, so that work may be half done.
    """

    def __init__(self, number: int, *, told: bool = False, at_once: bool = False) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number, self.told, self.at_once = number, told, at_once

    @property
    def status(self) -> int:
        """The exit status as in shells: 143 for SIGTERM, 130 for SIGINT, 129, 138."""
        return 128 + self.number


@dataclass
class _State:
    """State of the whole process, as signals are."""

    process: int = 0  # that has installed handlers; 0: none has
    number: int | None = None  # of the first signal
    gentle: bool = False  # whether a signal is only noted
    open: bool = True  # whether `check` raises
    since: float = 0.0  # when the first signal came
    again_after: float = 0.0
    at_second: Callable[[int], None] | None = None
    ask: Callable[[], int | None] | None = None


_state = _State()


@contextmanager
def obeyed(
    at_second: Callable[[int], None] | None = None, again_after: float = TWICE_SECONDS
) -> Iterator[None]:
    """While the body runs, the first signal raises `Stopped`, or is noted: see `gently`.

    Inside another one, and in a thread that is not the main one, nothing changes.

    Args:
        at_second: Called with the number of the first signal when a second one comes. None: the
            second one raises `Stopped`, even where the first was only noted.
        again_after: Seconds after the first signal from which one is a second one.
    """
    main = threading.current_thread() is threading.main_thread()
    if _state.process == os.getpid() or not main:
        with _found_again():
            yield
        return
    before = {number: signal.getsignal(number) for number in STOPPING}
    ours = {number: handler for number, handler in before.items() if handler in DEFAULTS}
    _state.process, _state.number = os.getpid(), None
    _state.at_second, _state.again_after = at_second, again_after
    try:
        for number in ours:
            signal.signal(number, _on_signal)
        with _found_again():
            yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
        _state.process, _state.number, _state.at_second = 0, None, None


@contextmanager
def _found_again() -> Iterator[None]:
    """Raise the `Stopped` that a library has turned into an error of its own.

    Some libraries have a bare ``except:``, such as mmengine where it formats a config, and their
    error may be reported as one of the config. Other user errors are kept: the disk may be full
    when work is saved because of a signal.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, UserError) and not isinstance(error, ConfigError):
            raise
        before = error.__cause__ or error.__context__
        while before is not None and not isinstance(before, Stopped):
            before = before.__cause__ or before.__context__
        if before is None:
            raise
        raise before from None


def _on_signal(number: int, frame: FrameType | None) -> None:
    if os.getpid() != _state.process:  # a process that was forked from this one
        return
    if _state.number is not None:
        if time.monotonic() - _state.since < _state.again_after:
            return
        if _state.at_second is not None:
            _state.at_second(_state.number)
        raise Stopped(_state.number, at_once=True)
    _state.number, _state.since = number, time.monotonic()
    if not _state.gentle:
        raise Stopped(number)


@contextmanager
def gently() -> Iterator[None]:
    """While the body runs, the first signal is only recorded, and the body has to ask for it.

    Code that must not be interrupted calls `requested` at its end; code that may be interrupted
    calls `check` in a body of `open_to_stop`.
    """
    with _set(gentle=True, open=False):
        yield


@contextmanager
def open_to_stop() -> Iterator[None]:
    """While the body runs, `check` raises `Stopped` also inside `gently`."""
    with _set(open=True):
        yield


@contextmanager
def asking(others: Callable[[], int | None]) -> Iterator[None]:
    """While the body runs, a stop that was requested from other processes counts as well.

    Args:
        others: Returns the number of the signal, or None; it may call `noted`.
    """
    with _set(ask=others):
        yield


@contextmanager
def _set(**values: Any) -> Iterator[None]:
    before = {name: getattr(_state, name) for name in values}
    vars(_state).update(values)
    try:
        yield
    finally:
        vars(_state).update(before)


def noted() -> int | None:
    """The number of the first signal that this process has received, or None."""
    return _state.number


def requested() -> int | None:
    """The number of the signal that asks this process, or one it works with, to stop; or None."""
    return noted() if _state.ask is None else _state.ask()


def check() -> None:
    """Raise `Stopped` if a stop was requested and is possible here.

    Long jobs call it for each image. It also replaces an exception that Python lost because the
    signal arrived while an object was being deleted.
    """
    if _state.open and (number := requested()) is not None:
        raise Stopped(number)


def leave_to_parent(own: Callable[[int], None] | None = None) -> Callable[[int], None]:
    """A loader's ``worker_init_fn``, after which workers leave all signals to their parent.

    Terminals and schedulers send signals to whole process groups. A worker that dies would break
    the iteration that the parent has to finish.

    Args:
        own: Another ``worker_init_fn`` to call.
    """
    return partial(_leave_to_parent, own)


def _leave_to_parent(own: Callable[[int], None] | None, worker: int) -> None:
    for number in STOPPING:
        if number != signal.SIGTERM:
            signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):  # Linux; elsewhere every SIGTERM ends a worker
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_obey_parent, daemon=True).start()
    if own is not None:
        own(worker)


def _obey_parent() -> None:
    """End on a SIGTERM from the parent, as torch ends workers that hang; ignore any other."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)
