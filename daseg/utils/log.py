"""What the log leaves out."""

import logging
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


def make_strict(logger: logging.Logger) -> None:
    """Put `StrictFileHandler` in the place of a logger's files."""
    for handler in [each for each in logger.handlers if type(each) is logging.FileHandler]:
        strict = StrictFileHandler(handler.baseFilename, "a", handler.encoding)
        strict.setLevel(handler.level)
        strict.setFormatter(handler.formatter)
        for condition in handler.filters:
            strict.addFilter(condition)
        handler.close()
        logger.handlers[logger.handlers.index(handler)] = strict
