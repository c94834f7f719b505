"""Reading weight files: without running code, and saying what is wrong with a file."""

import hashlib
import os
import pickle
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import Any

import torch

from daseg.utils.errors import CheckpointError
from daseg.utils.files import atomic_write


def read_torch_file(path: str | Path) -> dict[str, Any]:
    """Read a dict that ``torch.save`` wrote, to the CPU, with ``weights_only=True``.

    Raises:
        CheckpointError: There is no such file, it is broken, or it holds more than tensors and
            plain values (such a file could run code and is not loaded).
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"no weights file at {path}{_beside(path)}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if "weights_only" in str(error) or "Weights only" in reason:
            raise CheckpointError(
                f"{path} is not weights alone: it holds objects that could run code when loaded, "
                "or is no file of torch.save. If you trust it, save its tensors alone: "
                "torch.save(torch.load(FILE, weights_only=False)['state_dict'], NEW_FILE)"
            ) from error
        raise CheckpointError(
            f"{path} cannot be read as PyTorch weights ({os.path.getsize(path)} bytes): {reason}"
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no state dict, but a {type(content).__name__}")
    return content


def _beside(path: Path) -> str:
    found = sorted(p.name for p in path.parent.glob("*.pth")) if path.parent.is_dir() else []
    return f" (there: {', '.join(found)})" if found else ""


def sha256_file(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        CheckpointError: The file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise CheckpointError(f"{os.fspath(path)} cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def write_torch_file(content: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write a dict as ``torch.save`` does, whole or not at all.

    Raises:
        WriteError: It cannot be written.
    """
    with atomic_write(path) as temporary:
        raw = _Noting(temporary, "w")
        try:
            with BufferedWriter(raw, 1 << 20) as file:
                torch.save(content, file)
        except Exception:
            if raw.error is not None:  # torch says something else in its place
                raise raw.error from None
            raise


class _Noting(FileIO):
    """A file that remembers why it could not be written."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write bytes; return how many."""
        try:
            return super().write(data)
        except OSError as error:
            self.error = self.error or error
            raise
