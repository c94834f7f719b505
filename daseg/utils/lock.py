"""One writer at a time: a lock on a folder, which the system takes back when its owner dies."""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from daseg.utils.errors import ConfigError

if sys.platform == "win32":
    import msvcrt

    FAR = 1 << 30  # a locked byte cannot be read, and what is before it is to be

    def _take(handle: int) -> None:
        os.lseek(handle, FAR, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)

else:
    import fcntl

    def _take(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


LOCK = ".lock"
HELD = (BlockingIOError, PermissionError)  # what POSIX and Windows say of a lock that another has
_open: set[int] = set()


class FolderInUseError(ConfigError):
    """Another process writes into the folder."""


@contextmanager
def locked(
    folder: str | os.PathLike[str], *, name: str = LOCK, stays: bool = False
) -> Iterator[int]:
    """Hold the lock of a folder, made if missing, while the body runs; give its file's handle.

    The lock is one of the kernel's on a file in the folder: it ends with the process, also by
    ``kill -9``, and leaves nothing to tidy up. Processes that are forked do not keep it, nor do
    commands that are started, but for one that is handed the file.

    A file system without locks is warned of, and the body runs.

    Args:
        folder: What is written into.
        name: Of the file.
        stays: Leave the file: a command that was handed it holds the lock until it ends, too.

    Raises:
        FolderInUseError: Another process has it, or another part of this one.
        ConfigError: The folder cannot be written into.
    """
    path = Path(folder) / name
    is_new = not path.parent.exists()
    handle = _acquire(path)
    _open.add(handle)
    try:
        yield handle
    finally:
        if handle in _open:  # else this is a process that was forked
            _open.remove(handle)
            if not stays:
                with suppress(OSError):  # Windows removes no file that is open
                    path.unlink()  # while it is locked: who has opened it meanwhile looks again
            os.close(handle)
            if is_new:
                with suppress(OSError):  # something has been written
                    path.parent.rmdir()


def _acquire(path: Path) -> int:
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise ConfigError(
                f"{path.parent} cannot be written into ({error.strerror}): choose another folder"
            ) from error
        try:
            _take(handle)
        except HELD:
            owner = _owner(handle)
            os.close(handle)
            raise FolderInUseError(
                f"{path.parent} is being written into by another process, {owner}: wait for it, "
                "stop it, or choose another folder"
            ) from None
        except OSError as error:
            print(
                f"warning: {path.parent} lies on a file system without locks ({error.strerror}): "
                "take care that no second process writes into it",
                file=sys.stderr,
            )
        if _is_still(path, handle):
            _write_owner(handle)
            return handle
        os.close(handle)  # its owner has ended, and removed it


def _is_still(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


def _write_owner(handle: int) -> None:
    """Write who has the lock, for the message of those who want it."""
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    owner = dict(pid=os.getpid(), host=socket.gethostname(), since=since)
    with suppress(OSError):  # a full disk is told where something of worth is written
        os.ftruncate(handle, 0)
        os.write(handle, json.dumps(owner).encode())


def _owner(handle: int) -> str:
    try:
        owner: dict[str, Any] = json.loads(os.read(handle, 1000))
        return f"{owner['pid']} on {owner['host']}, since {owner['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "which has just begun or is on another machine"


def _let_go() -> None:
    """In a process that was forked: close the files, so that it does not keep the locks."""
    while _open:
        os.close(_open.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
