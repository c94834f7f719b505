"""One writer at a time: a lock on a folder, which the kernel releases when its owner dies."""

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
HELD = (BlockingIOError, PermissionError)  # errors on POSIX and Windows if the lock is held
_open: set[int] = set()


class FolderInUseError(ConfigError):
    """Another process writes into the folder."""


@contextmanager
def locked(
    folder: str | os.PathLike[str], *, name: str = LOCK, stays: bool = False
) -> Iterator[int]:
    """Hold the lock of a folder, made if missing, while the body runs; give its file's handle.

    It is a lock of the kernel on a file in the folder: it ends with the process, even after
    ``kill -9``, and leaves nothing to clean up. Forked processes and started commands do not hold
    it, unless they are passed the file.

    On a file system without locks there is a warning, and the body runs.

    Args:
        folder: The folder to write into.
        name: Name of the file.
        stays: Keep the file: a command that was passed it also holds the lock until it ends.

    Raises:
        FolderInUseError: Another process, or another part of this one, holds the lock.
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
    """Write which process holds the lock, for the messages of others."""
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
    """Close the files in a forked process, so that it does not hold the locks."""
    while _open:
        os.close(_open.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
