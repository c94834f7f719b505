"""Which log records go to the console, which to the file, and which are left out."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mmengine
from mmengine.logging import MMLogger

from daseg.utils.progress import CLEAR
from daseg.utils.verbosity import is_verbose

MMENGINE = str(Path(mmengine.__file__).parent)
# Given as a record's `extra`: it is for one of the two alone.
FILE_ONLY, CONSOLE_ONLY = dict(only="file"), dict(only="console")


@contextmanager
def quiet(level: int = logging.INFO) -> Iterator[None]:
    """Leave out log records up to ``level``: messages of a library that are not for the user."""
    before = logging.root.manager.disable
    _disable(max(level, before))
    try:
        yield
    finally:
        _disable(before)


def _disable(level: int) -> None:
    logging.disable(level)
    # Loggers cache which levels are enabled. Python clears the caches of its own loggers, but not
    # of mmengine's; setting a level clears all of them.
    logger = MMLogger.get_current_instance()
    logger.setLevel(logger.level)


class StrictFileHandler(logging.FileHandler):
    """A log file that raises an error if a line cannot be written.

    Python's handler prints a traceback and continues without the line.
    """

    def handleError(self, record: logging.LogRecord) -> None:
        """Raise the error that is being handled."""
        raise

    def filter(self, record: logging.LogRecord) -> bool:
        """Leave out what is for the console alone."""
        return getattr(record, "only", "file") == "file" and bool(super().filter(record))


class ConsoleHandler(logging.StreamHandler):
    """The log on the console: records of daseg, plugins and configs, and every warning.

    mmengine's own records (environment, config, initialisation) are in the file only, unless the
    user asks for everything (``-v``). If the reader has gone, as after ``| head``, it stops, where
    Python's handler would print a traceback for each record.
    """

    _is_gone = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Choose what is shown."""
        only = getattr(record, "only", None)
        if is_verbose():
            shown = only != "console"
        elif record.levelno >= logging.WARNING:
            shown = True
        else:
            shown = only != "file" and not record.pathname.startswith(MMENGINE)
        return shown and bool(super().filter(record))

    def format(self, record: logging.LogRecord) -> str:
        """The message; above INFO with its severity in front."""
        level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        text = super().format(record) if is_verbose() else f"{level}{record.getMessage()}"
        # A longer line of progress may stand there.
        return f"{CLEAR}{text}" if self.stream.isatty() else text

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record unless the reader has gone."""
        if not self._is_gone:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Stop writing if the stream is closed."""
        self._is_gone = isinstance(sys.exc_info()[1], OSError)
        if not self._is_gone:
            super().handleError(record)


def replace_handlers(logger: logging.Logger) -> None:
    """Put a `StrictFileHandler` and a `ConsoleHandler` in the place of Python's handlers."""
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
