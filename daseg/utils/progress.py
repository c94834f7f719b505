"""Show the progress of a long job and the time that is left."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

from daseg.utils.signals import check

T = TypeVar("T")
CLEAR = "\x1b[K"  # erases the rest of the line, where an earlier text was longer


class Progress:
    """Writes ``what 30/120 25% 14.2/s, 6 s left``.

    A terminal has one line that changes twice a second, a file a new line every ten seconds.

    Args:
        what: Name of the job.
        total: Number of items.
        done: Number of items that were done before.
        interval: Seconds between two lines of a file.
        stream: Where to write; None: the standard error.
    """

    def __init__(
        self,
        what: str,
        total: int,
        *,
        done: int = 0,
        interval: float = 10.0,
        stream: TextIO | None = None,
    ) -> None:
        self.what, self.total, self.first = what, total, done
        self.stream = stream or sys.stderr
        self.is_terminal = self.stream.isatty()
        self.interval = 0.5 if self.is_terminal else interval
        self.begin = self.shown = time.monotonic()

    def update(self, done: int) -> None:
        """Write a line, at most one per interval."""
        now = time.monotonic()
        if now - self.shown < self.interval:
            return
        self.shown = now
        left = (now - self.begin) / max(done - self.first, 1) * (self.total - done)
        self._write(f"{self._text(done)}, {duration(left)} left")

    def finish(self, done: int) -> None:
        """Write the time that it took, and end the line."""
        took = duration(time.monotonic() - self.begin)
        self._write(f"{self._text(done)}, took {took}", is_last=True)

    def _text(self, done: int) -> str:
        each = (time.monotonic() - self.begin) / max(done - self.first, 1)
        pace = f"{1 / max(each, 1e-9):.1f}/s" if each < 0.5 else f"{each:.2f} s each"
        return f"{self.what} {done}/{self.total} {100 * done // max(self.total, 1)}% {pace}"

    def _write(self, text: str, *, is_last: bool = False) -> None:
        if self.is_terminal:
            self.stream.write(f"\r{text}{CLEAR}" + ("\n" if is_last else "\r"))
        else:
            self.stream.write(f"{text}\n")
        self.stream.flush()


def track(items: Iterable[T], total: int, what: str, stream: TextIO | None = None) -> Iterator[T]:
    """Yield the items, and show the `Progress`; a signal to stop ends it between two items.

    Args:
        items: The items.
        total: Their number.
        what: Name of the job.
        stream: Where the progress is written; None: the standard error.
    """
    progress = Progress(what, total, stream=stream)
    for done, item in enumerate(items, 1):
        yield item
        check()
        if done == total:
            progress.finish(done)
        else:
            progress.update(done)


def duration(seconds: float) -> str:
    """Seconds in words: "3 min 05 s"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
