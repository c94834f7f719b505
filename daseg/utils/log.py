"""What the log leaves out."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.logging import MMLogger


@contextmanager
def quiet(level: int = logging.INFO) -> Iterator[None]:
    """Leave out log records up to ``level``: for notes of a library that are not the user's."""
    before = logging.root.manager.disable
    _disable(max(level, before))
    try:
        yield
    finally:
        _disable(before)


def _disable(level: int) -> None:
    logging.disable(level)
    # Loggers remember which levels are on. Python makes its own forget, but not mmengine's, which
    # would stay silent for ever, or not become so; setting a level makes all of them forget.
    logger = MMLogger.get_current_instance()
    logger.setLevel(logger.level)


class StrictFileHandler(logging.FileHandler):
    """A log file that raises where a line of it cannot be written.

    Python's own shows a traceback and goes on without the line.
    """

    def handleError(self, record: logging.LogRecord) -> None:
        """Raise again what is being handled."""
        raise


class ConsoleHandler(logging.StreamHandler):
    """A log on the screen that ends where nobody reads on: ``| head``, a terminal that is gone.

    Python's own shows a traceback for each record. The log file has them all.
    """

    _is_gone = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, as long as somebody reads."""
        if not self._is_gone:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Stop writing where that is not possible any more."""
        self._is_gone = isinstance(sys.exc_info()[1], OSError)
        if not self._is_gone:
            super().handleError(record)


def make_strict(logger: logging.Logger) -> None:
    """Let a logger raise where its file cannot be written, and end its screen where that is gone.

    `StrictFileHandler` and `ConsoleHandler` take the place of Python's.
    """
    for handler in [each for each in logger.handlers if type(each) is logging.StreamHandler]:
        _replace(logger, handler, ConsoleHandler(handler.stream))
    for handler in [each for each in logger.handlers if type(each) is logging.FileHandler]:
        strict = StrictFileHandler(handler.baseFilename, "a", handler.encoding)
        _replace(logger, handler, strict)


def _replace(logger: logging.Logger, old: logging.Handler, new: logging.Handler) -> None:
    new.setLevel(old.level)
    new.setFormatter(old.formatter)
    for condition in old.filters:
        new.addFilter(condition)
    old.close()
    logger.handlers[logger.handlers.index(old)] = new
