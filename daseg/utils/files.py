"""Files that are written whole or not at all."""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What `temporary_name` makes, with the number of the process; numbers have at most 7 digits.
TEMPORARY = re.compile(r"\..+\.([1-9]\d{0,6})\.[0-9a-f]{8}(\.[^.]+)?")


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to; put it in the place of ``path`` when all went well.

    The temporary file lies in the same folder (made if missing) and ends in the same suffix, which
    libraries read the format from. A reader, or a run after a crash, sees the old file or the new
    one and never a part. Where the body raises, ``path`` stays as it was.

    Example:
        >>> with atomic_write("out/results.json") as temporary:
        ...     temporary.write_text("{}")
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def temporary_name(path: Path) -> Path:
    """A path beside ``path`` that is to be renamed to it, with its suffix; new at each call."""
    # Not tempfile: its files are the owner's alone, and would stay so after the rename.
    return path.with_name(f".{path.stem}.{os.getpid()}.{secrets.token_hex(4)}{path.suffix}")


def remove_leftovers(folder: str | os.PathLike[str], *, below: bool = False) -> int:
    """Remove the temporary files of runs that were killed while they wrote; return how many.

    Those of another process that is alive stay. The caller has not begun to write there: what has
    its own number is of an earlier process, as every container counts from 1.

    Args:
        folder: Where to look; it need not be there.
        below: Also in the folders below it.
    """
    count = 0
    for parent, folders, files in os.walk(folder):
        if not below:
            folders.clear()
        for file in files:
            match = TEMPORARY.fullmatch(file)
            if match and not _is_another_alive(int(match[1])):
                Path(parent, file).unlink(missing_ok=True)
                count += 1
    return count


def _is_another_alive(process: int) -> bool:
    if process == os.getpid():
        return False
    if os.name != "posix":  # only there does signal 0 ask and not end
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is of another user
        return True
    return True


def _sync(path: Path) -> None:
    """Make the disk hold what was written, or the folder know the new name."""
    if path.is_dir() and os.name != "posix":  # only POSIX opens folders
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
