"""The label firewall: target samples that have no label, and a count of the label files opened.

Unsupervised adaptation must not see the target's labels. That they are not there is enforced by
`TargetSample`; that nobody opened their files all the same is counted, not asserted. Every label
file of daseg is opened by `daseg.datasets.files.io.read_ids`, which notes it here; and where the
labels of a target would be is known (`watch`), so that any other opening of such a file is noted:
by whatever opens through Python (`open`, pathlib, PIL, numpy, mmcv), by OpenCV's ``imread`` and by
torchvision's readers, under any name, link or spelling, in any worker. What a worker of a data
loader notes travels to the main process in the next batch (`daseg.datasets.collate`).

Not seen are a copy of a label file, a library that opens files in C by itself (GDAL, a database),
and a program that is started.
"""

import functools
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import cv2
import torchvision

from daseg.utils.errors import LabelFirewallError

OPENED = "labels_opened"  # the key of a batch
_opened: Counter[str] = Counter()
# The watched files that exist, by device and inode, which all names of a file share.
_watched: dict[tuple[int, int], str] = {}
_noted = threading.local()  # the file that `read_ids` of this thread opens next, noted already
_hooked = threading.Event()
WRITING = frozenset("wxa")
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
    """Note that this process opens a label file, which it does right after."""
    _noted.path = os.path.abspath(path)
    _opened[_noted.path] += 1


def note_copy_read(path: str | os.PathLike[str]) -> None:
    """Note that this process reads a copy of a label file: it counts as the file's opening."""
    _opened[os.path.abspath(path)] += 1


def watch(files: frozenset[str]) -> None:
    """From now on, note each opening of these files in this process, by whomever.

    Args:
        files: Files, as `os.path.realpath` gives them; those that do not exist are left out.
    """
    folded = _folded(files)
    for folder in {os.path.dirname(path) for path in files}:
        try:
            with os.scandir(folder) as entries:
                device = os.stat(folder).st_dev
                for entry in entries:
                    if entry.path.casefold() in folded:
                        _watched[device, entry.inode()] = entry.path
        except OSError:  # no labels there, or none that anybody could read
            continue
    if _watched and not _hooked.is_set():
        _hooked.set()
        sys.addaudithook(_on_event)


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        mode = arguments[1]
        if not (isinstance(mode, str) and mode[:1] in WRITING and "+" not in mode):
            _note_if_watched(arguments[0])


def _note_if_watched(path: Any) -> None:
    try:
        found = os.stat(path)
        name = _watched.get((found.st_dev, found.st_ino))
        # The inode of a file that was removed may be that of another one by now.
        if name is None or not os.path.samestat(found, os.stat(name)):
            return
    except (OSError, ValueError, TypeError):  # there is nothing to open
        return
    if getattr(_noted, "path", None) == os.path.abspath(os.fsdecode(path)):
        _noted.path = None
    else:
        _opened[name] += 1


def _seen(read: Callable[..., Any]) -> Callable[..., Any]:
    """A reader that opens files in C, where Python does not see it, and notes it here."""

    @functools.wraps(read)
    def reading(*args: Any, **options: Any) -> Any:
        if _watched:
            _note_if_watched(args[0] if args else options.get("filename", options.get("path")))
        return read(*args, **options)

    return reading


for _module, _names in (
    (cv2, ("imread", "imreadmulti", "imreadWithMetadata", "imreadanimation")),
    (torchvision.io, ("read_file",)),
    (torchvision.io.image, ("read_file",)),  # which read_image calls
):
    for _name in _names:
        if hasattr(_module, _name) and not hasattr(getattr(_module, _name), "__wrapped__"):
            setattr(_module, _name, _seen(getattr(_module, _name)))


def note_reported(opened: Mapping[str, int]) -> None:
    """Note what a worker has reported that it opened, where no hook sees its batch."""
    _opened.update(opened)


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
