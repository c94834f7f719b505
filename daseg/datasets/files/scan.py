"""Find the image and label files of a data set."""

import os
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from daseg.datasets.files.walk import Walk, each_once, walk
from daseg.utils.errors import DataError


class Sample(NamedTuple):
    """The files of one sample."""

    image: Path
    label: Path | None = None
    name: str = ""  # path below the image folder, without the suffix


@dataclass(frozen=True)
class Layout:
    """Where a data set keeps its files, below its root.

    The image ``<image_dir>/<name><image suffix>`` belongs to the label
    ``<label_dir>/<name><label_suffix>``; names may contain folders.

    Attributes:
        folders: The folders below ``image_dir`` and ``label_dir`` whose files are taken; none: all.
        prefixes: The beginning of the names of image files, and the one that names of label files
            have in its place.
    """

    image_dir: str
    label_dir: str
    image_suffix: str | Sequence[str]
    label_suffix: str
    folders: tuple[str, ...] = ()
    prefixes: tuple[str, str] = ("", "")

    @property
    def image_suffixes(self) -> tuple[str, ...]:
        suffix = self.image_suffix
        return (suffix,) if isinstance(suffix, str) else tuple(suffix)

    def label_file(self, name: str) -> str:
        """Path below ``label_dir`` of the label of the image of this name."""
        folder, slash, file = name.rpartition("/")
        here, there = self.prefixes
        return f"{folder}{slash}{there}{file.removeprefix(here)}{self.label_suffix}"

    def image_name(self, name: str) -> str:
        """The name of the image whose label has this name."""
        folder, slash, file = name.rpartition("/")
        here, there = self.prefixes
        return f"{folder}{slash}{here}{file.removeprefix(there)}"


class ScanError(DataError):
    """Files of a data set are missing; ``problems`` has one line for each of them."""

    def __init__(self, summary: str, problems: Sequence[str]) -> None:
        shown = "".join(f"\n  {line}" for line in problems[:5])
        more = f"\n  ... and {len(problems) - 5} more" if len(problems) > 5 else ""
        super().__init__(f"{summary}{shown}{more}")
        self.problems = list(problems)


@dataclass
class Found:
    """The files of one kind in a data set.

    Attributes:
        paths: Each file by its name: the path below the folder, without the suffix; sorted.
        unusable: Names whose file cannot be read, and why.
        aliases: Names of links to files that are found under another name, and that name.
        notes: Messages about files that are reached twice, of which one is left out.
        hidden: Files and folders that are left out since their names begin with a dot.
        left_out: Folders that the caller has asked to leave out.
    """

    paths: dict[str, Path]
    unusable: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @cached_property
    def real(self) -> frozenset[str]:
        """The real paths of the files, without links."""
        return frozenset(map(os.path.realpath, self.paths.values()))

    @cached_property
    def by_look(self) -> dict[str, str]:
        """The names by their look, without differences of case and Unicode form."""
        return {_look(name): name for name in self.paths}


def find_files(
    folder: Path,
    suffixes: Sequence[str],
    what: str,
    *,
    once: bool = False,
    leave_out: Collection[str] = (),
    not_ending: str | None = None,
    folders: Sequence[str] = (),
) -> Found:
    """All files below ``folder`` with one of the suffixes; see `daseg.datasets.files.walk.walk`.

    Args:
        folder: Where they lie.
        suffixes: Ends of their names, in upper or lower case.
        what: The data set's name in messages.
        once: Take a file that several links lead to once, under one of its names.
        leave_out: Folders to leave out, as real paths.
        not_ending: Ends of the names of files of another kind.
        folders: Folders below it to search; none: all.

    Raises:
        DataError: The folder does not exist, cannot be listed or holds no such file, or two files
            differ only in their suffix.
    """
    walked = Walk()
    for place in [folder / each for each in folders] or [folder]:
        if not place.is_dir():
            beside = sorted(each.name for each in place.parent.glob("*") if each.is_dir())[:8]
            there = f"; beside it are {', '.join(beside)}" if beside else ""
            raise DataError(f"{what}: the folder {place} does not exist{there}")
        walked.add(walk(place, suffixes, what, leave_out=leave_out))
    files = walked.files
    if not_ending is not None:
        files = [f for f in files if not f.path.name.lower().endswith(not_ending.lower())]
    found, twice = (
        Found({}, notes=walked.notes, hidden=walked.hidden, left_out=walked.left_out),
        list[tuple[Path, Path]](),
    )
    if once:
        files, twice = each_once(files)
    for path in (file.path for file in files):
        name = name_of(path, folder, suffixes)
        if name in found.paths:
            raise DataError(f"{what}: {found.paths[name]} and {path} have the same name")
        found.paths[name] = path
    for path, kept in twice:
        found.aliases[name_of(path, folder, suffixes)] = name_of(kept, folder, suffixes)
        found.notes.append(f"{path} is a link to {kept}: it counts once")
    for path, reason in walked.unusable.items():
        found.unusable[name_of(path, folder, suffixes)] = f"{path} {reason}"
    if not found.paths and not found.unusable:
        other = f" (those in {not_ending} are labels)" if not_ending else ""
        text = f"{what}: no file ending in {' or '.join(suffixes)} below {folder}{other}"
        first = next((each for each in folder.rglob("*") if each.is_file()), None)
        raise DataError(text + (f"; there is {first.relative_to(folder)}" if first else ""))
    found.paths = dict(sorted(found.paths.items()))
    return found


def name_of(path: Path, folder: Path, suffixes: Sequence[str]) -> str:
    """The path below ``folder``, with ``/``, without the suffix."""
    return strip_suffix(path.relative_to(folder).as_posix(), suffixes)


def strip_suffix(name: str, suffixes: Sequence[str]) -> str:
    """The name without the first of the suffixes that it ends in, in upper or lower case."""
    suffix = next((s for s in suffixes if name.lower().endswith(s.lower())), "")
    return name[: len(name) - len(suffix)]


def not_found(name: str, images: Found, layout: Layout) -> str:
    """Why a listed name may not have been found; "" where that is not known."""
    known, suffixes = images.paths, layout.image_suffixes
    rest = name.removeprefix(f"{layout.image_dir}/")
    if rest != name and (rest in known or strip_suffix(rest, suffixes) in known):
        return f"; a name is the path below {layout.image_dir}: {rest!r}"
    if Path(name).is_absolute():
        return "; a name is the path below the image folder, not from the root of the disk"
    if any(part.startswith(".") for part in Path(name).parts):
        return "; files and folders whose names begin with a dot are left out"
    first = strip_suffix(re.split(r"[\s,;]", name)[0], suffixes)
    if first != name and first in known:
        return "; the line has a second column, but a list file has one name a line"
    return alike(name, images)


def alike(name: str, found: Found) -> str:
    """A found name that looks the same but is written otherwise, in words; "" without one."""
    other = found.by_look.get(_look(name))
    if other is None:
        return ""
    if other.casefold() == name.casefold():
        return f"; there is {other!r}, with other capitals"
    return (
        f"; there is {other!r}, whose letters with accents are stored in another Unicode form "
        "(NFC, NFD): rename one"
    )


def _look(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
