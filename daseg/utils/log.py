"""What the log leaves out."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(level: int = logging.INFO) -> Iterator[None]:
    """Leave out log records up to ``level``: for notes of a library that are not the user's."""
    before = logging.root.manager.disable
    logging.disable(max(level, before))
    try:
        yield
    finally:
        logging.disable(before)
