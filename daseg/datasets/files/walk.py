"""Walk a folder: each real file once, and what cannot be used with the reason."""

import os
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from daseg.utils.errors import DataError


class File(NamedTuple):
    """A file and its real path, without links."""

    path: Path
    real: str


@dataclass
class Walk:
    """The files below a folder.

    Attributes:
        files: The files, those behind links last.
        unusable: Paths that have the right suffix but cannot be read, and why.
        notes: Messages about files that are reached twice, of which one is left out.
        hidden: Files and folders that are left out since their names begin with a dot.
        left_out: Folders that the caller has asked to leave out.
    """

    files: list[File] = field(default_factory=list)
    unusable: dict[Path, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def add(self, other: "Walk") -> None:
        """Add the files of another folder."""
        self.files += other.files
        self.unusable |= other.unusable
        self.notes += other.notes
        self.hidden += other.hidden
        self.left_out += other.left_out


def walk(
    folder: str | os.PathLike[str],
    suffixes: Sequence[str],
    what: str,
    *,
    leave_out: Collection[str] = (),
) -> Walk:
    """Find the files below a folder that end in one of the suffixes, in upper or lower case.

    Files and folders whose names begin with a dot are left out: programs keep their own files
    there. Links to folders are followed; a folder that is reached twice, or that contains the one
    where the search began, is searched once.

    Args:
        folder: Where to look.
        suffixes: Ends of the names, such as ".png".
        what: The data set's name in messages.
        leave_out: Folders to leave out, as real paths.

    Raises:
        DataError: A folder cannot be listed.
    """
    ends = tuple(suffix.lower() for suffix in suffixes)
    found, start = Walk(), os.path.realpath(folder)
    todo, links = deque([(os.fspath(folder), start, False)]), deque[tuple[str, str, bool]]()
    linked: list[File] = []
    seen: set[str] = set()
    while todo or links:  # folders behind links come last, so that a file has its real name
        here, real, by_link = (todo or links).popleft()
        if real in leave_out:
            found.left_out.append(here)
            continue
        if real in seen or (real != start and _is_inside(start, real)):
            found.notes.append(f"the folder {here} is a link to {real}: its files count once")
            continue
        seen.add(real)
        for entry in _entries(here, what):
            wanted = entry.name.lower().endswith(ends)
            if entry.name.startswith("."):
                if wanted or entry.is_dir():
                    found.hidden.append(entry.path)
                continue
            if entry.is_dir(follow_symlinks=False):
                todo.append((entry.path, os.path.join(real, entry.name), by_link))
            elif entry.is_symlink():
                if os.path.isdir(entry.path):
                    links.append((entry.path, os.path.realpath(entry.path), True))
                elif os.path.isfile(entry.path) and wanted:
                    linked.append(File(Path(entry.path), os.path.realpath(entry.path)))
                elif wanted:
                    found.unusable[Path(entry.path)] = _what_is_it(entry.path)
            elif wanted and entry.is_file(follow_symlinks=False):
                file = File(Path(entry.path), os.path.join(real, entry.name))
                (linked if by_link else found.files).append(file)
            elif wanted:
                found.unusable[Path(entry.path)] = _what_is_it(entry.path)
    found.files += linked
    return found


def each_once(files: Sequence[File]) -> tuple[list[File], list[tuple[Path, Path]]]:
    """The first name of each real file; and the further names, each with the one that is kept."""
    first: dict[str, Path] = {}
    twice = []
    for file in files:
        kept = first.setdefault(file.real, file.path)
        if kept is not file.path:
            twice.append((file.path, kept))
    return [File(path, real) for real, path in first.items()], twice


def is_inside(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> bool:
    """Whether a path lies below a folder, or is it, links followed."""
    return _is_inside(os.path.realpath(path), os.path.realpath(folder))


def _is_inside(real: str, folder: str) -> bool:
    return real == folder or real.startswith(folder.rstrip(os.sep) + os.sep)


def _entries(folder: str, what: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(
            f"{what}: the folder {folder} cannot be listed: {error.strerror}. Its files would be "
            "left out silently: change its permissions, or move it elsewhere"
        ) from error


def _what_is_it(path: str) -> str:
    if os.path.exists(path):
        return "is a pipe, a socket or a device, not a file"
    if os.path.islink(path):
        return f"is a link to {os.readlink(path)}, which is not there"
    return "is not there"
