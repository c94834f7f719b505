"""Hints about missing folders, from the features that make these folders.

The core asks with `hint`; a feature registers a function with `give_hints`.
"""

from collections.abc import Callable
from pathlib import Path

_GIVERS: list[Callable[[Path], str]] = []


def give_hints(giver: Callable[[Path], str]) -> Callable[[Path], str]:
    """Register a function that says what to do about a missing folder, or ``""``; a decorator."""
    _GIVERS.append(giver)
    return giver


def hint(folder: str | Path) -> str:
    """``"; do this"`` for a missing folder that a feature knows, else ``""``."""
    found = next(filter(None, (giver(Path(folder)) for giver in _GIVERS)), "")
    return found and f"; {found}"
