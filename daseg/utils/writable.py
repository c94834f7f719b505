"""Check whether a path can be written to, and explain why not."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daseg.utils.errors import ConfigError, WriteError

NAME_MAX = 255  # bytes of a name, on all file systems that are in use
MIB = 2**20
# Explanations of the errors of the operating system when it cannot write a file.
CAUSES = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the user's share of the disk is full",
    errno.EFBIG: "the file is larger than ulimit -f or the file system allows",
    errno.EROFS: "nothing can be written on this disk",
    errno.EACCES: "the place is not yours to write to",
    errno.EPERM: "the place is not yours to write to",
    errno.ENAMETOOLONG: "choose a shorter one",
    errno.ENOTDIR: "a part of its path is a file",
    errno.EEXIST: "a part of its path is a file",
    errno.EISDIR: "there is a folder of this name",
    errno.ENOTEMPTY: "there is a folder of this name",
    errno.ELOOP: "a link of its path leads to itself",
    errno.EIO: "the disk does not answer as it should",
    errno.ESTALE: "the disk is gone",
    errno.ENOTCONN: "the disk is gone",
    errno.ENODEV: "the disk is gone",
    errno.ENOENT: "there is no such folder, and none can be made",
}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn errors of the disk in the body into one that names ``path`` and the cause.

    Raises:
        WriteError: ``path`` cannot be written.
    """
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {cause(error, path)}") from error


def cause(error: OSError, path: Path) -> str:
    """Why a file could not be written, in plain words."""
    message = error.strerror or str(error) or type(error).__name__
    details = [CAUSES[error.errno]] if error.errno in CAUSES else []
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        details += free_space(path.parent)
    other = error.filename
    if other and Path(os.fsdecode(other)).parent != path.parent:
        details.append(os.fsdecode(other))
    return f"{message} ({', '.join(details)})" if details else message


def free_space(folder: Path) -> list[str]:
    """A message about the free space on the disk of a folder; empty where it is not known."""
    free = free_bytes(folder)
    return [] if free is None else [f"{free / MIB:.0f} MiB are free there"]


def free_bytes(folder: Path) -> int | None:
    """Free bytes on the disk of a folder; None where that is not known."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def refuse_links(folder: Path, root: str | os.PathLike[str]) -> None:
    """Refuse to write into a folder below ``root`` that a link leads to: it may be anywhere.

    ``root`` itself may be a link.

    Raises:
        WriteError: A part of the path below ``root`` is a link, or it is not below.
    """
    path = Path(root)
    try:
        below = folder.relative_to(path)
    except ValueError:
        raise WriteError(f"{folder} does not lie in {root}, where files are written") from None
    for part in below.parts:
        path = path / part
        if part == ".." or path.is_symlink():
            raise WriteError(
                f"{path} is a link, and nothing is written through it, since it leads out of "
                f"{root}: remove the link, or choose another folder"
            )


def refuse_no_file(path: Path) -> None:
    """Refuse what is not a name of a file, or one of a device, pipe or socket, whose place it took.

    Raises:
        WriteError: ``path`` is such a name.
    """
    if "\0" in os.fspath(path):
        raise WriteError(f"{str(path)!r} cannot be written: it has a NUL character")
    if path.exists() and not (path.is_file() or path.is_dir() or path.is_symlink()):
        raise WriteError(f"{path} cannot be written: it is {_kind(path)}, but a device or a pipe")


def check_folder(folder: str | os.PathLike[str], option: str) -> Path:
    """Check that files can be written into a folder that may not be there yet; leave no trace.

    Args:
        folder: As the user has given it.
        option: What gave it, for the message: "--out".

    Raises:
        ConfigError: The value is not a path of a folder.
        WriteError: Nothing can be written there.
    """
    path = _path(folder, option, "folder")
    with _checking(option, path):
        there, missing = _nearest(path)
        if not there.is_dir():
            raise WriteError(
                f"{option} {path}: {there} is {_kind(there)}, not a folder: choose another"
            )
        for part in missing:
            if len(os.fsencode(part)) > NAME_MAX:
                raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), part)
        _probe(there)
    return path


def check_file(file: str | os.PathLike[str], option: str) -> Path:
    """Check that a file can be written, as `check_folder`."""
    path = _path(file, option, "file")
    with _checking(option, path):
        if path.is_dir():
            raise WriteError(f"{option} {path} is a folder: name a file in it")
        refuse_no_file(path)
        check_folder(path.parent, option)
        if len(os.fsencode(path.name)) > NAME_MAX:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path.name)
    return path


def _path(path: str | os.PathLike[str], option: str, kind: str) -> Path:
    text = os.fspath(path)
    if not text or "\0" in text:
        what = "is empty" if not text else f"has a NUL character ({text!r})"
        raise ConfigError(f"{option} {what}: it is the path of a {kind}")
    return Path(text)


@contextmanager
def _checking(option: str, path: Path) -> Iterator[None]:
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(
            f"{option} {path}: nothing can be written there: {cause(error, path)}"
        ) from error


def _nearest(path: Path) -> tuple[Path, list[str]]:
    """The nearest thing on the way to a path that is there, and what is missing behind it."""
    missing: list[str] = []
    while True:
        try:
            os.lstat(path)
        except FileNotFoundError:
            if path == path.parent:  # the folder that one is in was removed
                raise
            missing.append(path.name)
            path = path.parent
        else:
            return path, missing


def _kind(path: Path) -> str:
    if path.is_symlink() and not path.exists():
        return "a link to nothing"
    return "a file" if path.is_file() else "not a regular file"


def _probe(folder: Path) -> None:
    """Write a little, which a full disk refuses, and remove it."""
    path = folder / f".probe.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        with path.open("xb") as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
    finally:
        path.unlink(missing_ok=True)
