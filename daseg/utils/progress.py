"""How far a long job is, and how long it will still take."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

from daseg.utils.signals import check

T = TypeVar("T")


def track(items: Iterable[T], total: int, what: str, stream: TextIO | None = None) -> Iterator[T]:
    """Yield the items; meanwhile write ``what 30/120 25% 14.2/s, 6 s left`` to ``stream``.

    A terminal sees one line that changes, twice a second; a log file a line every ten seconds, and
    one at the end. Between two items a signal ends it: see `daseg.utils.signals.check`.

    Args:
        items: What to go through.
        total: Their number.
        what: What is done, in front of the numbers.
        stream: Where to write; None: the standard error.
    """
    stream = stream or sys.stderr
    terminal = stream.isatty()
    begin = shown = time.monotonic()
    done = 0
    for done, item in enumerate(items, 1):
        yield item
        check()
        now = time.monotonic()
        if now - shown >= (0.5 if terminal else 10) or done == total:
            shown = now
            line = _line(what, done, total, now - begin)
            end = "\r" if terminal and done < total else "\n"
            stream.write(("\r" if terminal else "") + line.ljust(79 if terminal else 0) + end)
            stream.flush()


def _line(what: str, done: int, total: int, seconds: float) -> str:
    rate = done / max(seconds, 1e-9)
    tail = (
        f"{duration((total - done) / rate)} left" if done < total else f"took {duration(seconds)}"
    )
    return f"{what} {done}/{total} {100 * done // max(total, 1)}% {rate:.1f}/s, {tail}"


def duration(seconds: float) -> str:
    """Seconds in words: "3 min 05 s"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
