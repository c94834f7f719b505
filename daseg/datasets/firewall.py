"""The label firewall: target samples that have no label, and a count of the label files opened.

Unsupervised adaptation must not see the target's labels. That they are not there is enforced by
`TargetSample`; that nobody opened their files all the same is counted, not asserted: every label
file of daseg is opened by `daseg.datasets.io.read_ids`, which notes it here. What a worker of a
data loader notes travels to the main process in the next batch (`daseg.datasets.collate`). A file
opened by other means than daseg's is not seen.
"""

import os
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from daseg.utils.errors import LabelFirewallError

OPENED = "labels_opened"  # the key of a batch
_opened: Counter[str] = Counter()
if hasattr(os, "register_at_fork"):  # a worker does not report what the main process has opened
    os.register_at_fork(after_in_child=_opened.clear)


class TargetSample(dict[str, Any]):
    """A sample of the target domain: a dict without ``label``.

    Raises:
        LabelFirewallError: It is made with a label, given one, or asked for it.
    """

    def __init__(self, *args: Any, **values: Any) -> None:
        super().__init__(*args, **values)
        if "label" in self:
            raise LabelFirewallError

    def __missing__(self, key: str) -> Any:
        _refuse_label(key)
        raise KeyError(key)

    def __setitem__(self, key: str, value: Any) -> None:
        _refuse_label(key)
        super().__setitem__(key, value)

    def get(self, key: str, default: Any = None) -> Any:
        """As a dict's, but also asking politely for the label is refused."""
        _refuse_label(key)
        return super().get(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        """As a dict's, but also asking politely for the label is refused."""
        _refuse_label(key)
        return super().pop(key, *default)


class TargetBatch(TargetSample):
    """A batch of the target domain: a dict without ``label``."""


def _refuse_label(key: str) -> None:
    if key == "label":
        raise LabelFirewallError


def note_opened(path: str | os.PathLike[str]) -> None:
    """Note that this process opens a label file."""
    _opened[os.path.abspath(path)] += 1


def take_opened() -> dict[str, int]:
    """How often this process has opened which label file since it was asked last."""
    taken = dict(_opened)
    _opened.clear()
    return taken


def count_opened(opened: Mapping[str, int], watched: frozenset[str]) -> int:
    """How many of the openings were of watched files.

    Args:
        opened: How often which file was opened.
        watched: Files, as `os.path.realpath` gives them, so that a link to one is the same one.
    """
    folded = _folded(watched)  # labels are found whatever the capitals of their suffix
    return sum(n for path, n in opened.items() if os.path.realpath(path).casefold() in folded)


@lru_cache(maxsize=8)
def _folded(paths: frozenset[str]) -> frozenset[str]:
    return frozenset(path.casefold() for path in paths)
