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
