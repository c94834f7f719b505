"""Write files completely or not at all, and read regular files only."""

import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from daseg.utils.errors import DataError
from daseg.utils.writable import NAME_MAX, refuse_links, refuse_no_file, writing

# What `temporary_name` makes, with the number of the process; numbers have at most 7 digits.
TEMPORARY = re.compile(r"\..+\.([1-9]\d{0,6})\.[0-9a-f]{8}(\.[^.]+)?")


class Staged:
    """A file written under a temporary name beside its destination.

    `place` renames it to its destination; otherwise `discard` has to be called.

    Args:
        path: The destination; its folder is made if missing.
        root: A folder above it: below that no folder may be a link.

    Raises:
        WriteError: No file can be written there.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, root: str | os.PathLike[str] | None = None
    ) -> None:
        self.path = Path(path)
        with writing(self.path):
            refuse_no_file(self.path)
            if root is not None:
                refuse_links(self.path.parent, root)
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self.temporary = temporary_name(self.path)

    def place(self) -> None:
        """Rename it to its destination, atomically. A link there is replaced, not its target.

        Raises:
            WriteError: The file cannot be renamed.
        """
        with writing(self.path):
            os.replace(self.temporary, self.path)

    def settle(self) -> None:
        """Flush the folder to the disk, so that the new name outlasts a power failure."""
        with writing(self.path):
            sync(self.path.parent)

    def discard(self) -> None:
        """Remove it if it was not placed."""
        with suppress(OSError):  # `remove_leftovers` finds it later
            self.temporary.unlink(missing_ok=True)


@contextmanager
def atomic_write(
    path: str | os.PathLike[str], *, root: str | os.PathLike[str] | None = None
) -> Iterator[Path]:
    """Yield a temporary path to write to; rename it to ``path`` if the body succeeds.

    The temporary file lies in the same folder (made if missing) and ends in the same suffix, which
    libraries read the format from. A reader, or a run after a crash, sees the old file or the new
    one and never a part. Where the body raises, ``path`` stays as it was.

    Args:
        path: The file. If it is a link, the link is replaced, not its target.
        root: A folder above it: below that no folder may be a link.

    Raises:
        WriteError: The file cannot be written.

    Example:
        >>> with atomic_write("out/results.json") as temporary:
        ...     temporary.write_text("{}")
    """
    staged = Staged(path, root=root)
    try:
        with writing(staged.path):
            yield staged.temporary
            sync(staged.temporary)
        staged.place()
        staged.settle()
    finally:
        staged.discard()


def stage(
    path: str | os.PathLike[str], data: bytes, *, root: str | os.PathLike[str] | None = None
) -> Staged:
    """Write bytes to a `Staged` file, flushed to the disk under a temporary name."""
    staged = Staged(path, root=root)
    try:
        with writing(staged.path):
            staged.temporary.write_bytes(data)
            sync(staged.temporary)
    except BaseException:
        staged.discard()
        raise
    return staged


def atomic_write_text(
    path: str | os.PathLike[str], text: str, *, root: str | os.PathLike[str] | None = None
) -> None:
    """Write ``text`` as UTF-8, whole or not at all; arguments are those of `atomic_write`.

    File names with bytes that are not UTF-8 are written unchanged.
    """
    with atomic_write(path, root=root) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")


def temporary_name(path: Path) -> Path:
    """A temporary path beside ``path``, with its suffix; a new one at each call."""
    # Not tempfile: its files can be read by the owner only, also after the rename.
    end = f".{os.getpid()}.{secrets.token_hex(4)}{path.suffix}"
    stem = path.stem
    while len(os.fsencode(f".{stem}{end}")) > NAME_MAX and len(stem) > 1:
        stem = stem[:-1]  # the name of a file may be as long as any name may be
    return path.with_name(f".{stem}{end}")


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a regular file; never waits for a pipe or a device.

    Raises:
        OSError: It is not a regular file, or cannot be read.
    """
    # Opened without waiting, and looked at before it is read: what the name means may change.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError("it is not a regular file")
        return file.read()


def require_regular(path: str | os.PathLike[str], what: str) -> None:
    """Refuse pipes, sockets and devices, which might block, and folders.

    Raises:
        DataError: It is neither a regular file nor a link to one.
        OSError: The file does not exist.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "something else")
        raise DataError(f"{what} {path} is {kind}, not a file")


_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def remove_leftovers(folder: str | os.PathLike[str], *, below: bool = False) -> int:
    """Remove the temporary files of runs that were killed while they wrote; return how many.

    Files of other processes that are alive are kept. The caller must not have begun to write there:
    files with its process number are those of an earlier process, as every container counts from 1.

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
    except PermissionError:  # another user owns it
        return True
    return True


def sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk."""
    if path.is_dir() and os.name != "posix":  # only POSIX opens folders
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
