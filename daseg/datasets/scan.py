"""Finding the image and label files of a data set."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

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
    """

    image_dir: str
    label_dir: str
    image_suffix: str | Sequence[str]
    label_suffix: str

    @property
    def image_suffixes(self) -> tuple[str, ...]:
        suffix = self.image_suffix
        return (suffix,) if isinstance(suffix, str) else tuple(suffix)


class ScanError(DataError):
    """Files of a data set are missing; ``problems`` has one line for each of them."""

    def __init__(self, summary: str, problems: Sequence[str]) -> None:
        shown = "".join(f"\n  {line}" for line in problems[:5])
        more = f"\n  ... and {len(problems) - 5} more" if len(problems) > 5 else ""
        super().__init__(f"{summary}{shown}{more}")
        self.problems = list(problems)


def find_files(folder: Path, suffixes: Sequence[str], what: str) -> dict[str, Path]:
    """All files below ``folder`` with one of the suffixes: name without suffix -> path, sorted.

    Raises:
        DataError: The folder does not exist or holds no such file, or two files differ only in
            their suffix.
    """
    if not folder.is_dir():
        raise DataError(f"{what}: the folder {folder} does not exist")
    found: dict[str, Path] = {}
    for parent, _, files in os.walk(folder, followlinks=True):
        for file in files:
            suffix = next((s for s in suffixes if file.endswith(s)), None)
            if suffix is None or file.startswith("."):
                continue
            path = Path(parent, file)
            name = path.relative_to(folder).as_posix()[: -len(suffix)]
            if name in found:
                raise DataError(f"{what}: {found[name]} and {path} have the same name")
            found[name] = path
    if not found:
        raise DataError(f"{what}: no file ending in {' or '.join(suffixes)} below {folder}")
    return dict(sorted(found.items()))


def read_list(path: Path, suffixes: Sequence[str]) -> list[str]:
    """Read a list file: a name a line, with or without suffix; empty lines and ``#`` are skipped.

    Raises:
        DataError: The file cannot be read, names nothing, or names something twice.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"list file {path} cannot be read: {error}") from error
    names = [_strip(line, suffixes) for line in lines if line and not line.startswith("#")]
    if not names:
        raise DataError(f"list file {path} names no image")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ScanError(f"list file {path} names {len(twice)} images more than once:", twice)
    return names


def _strip(name: str, suffixes: Sequence[str]) -> str:
    suffix = next((s for s in suffixes if name.endswith(s)), "")
    return name[: len(name) - len(suffix)]
