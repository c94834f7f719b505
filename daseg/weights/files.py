"""Reading weight files: without running code, and saying what is wrong with a file."""

import hashlib
import os
import warnings
from collections.abc import Mapping
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn

from daseg.utils.errors import CheckpointError
from daseg.utils.files import atomic_write
from daseg.weights.archive import check_archive, is_archive
from daseg.weights.plain import wrong_content


def read_torch_file(path: str | Path) -> dict[str, Any]:
    """Read a dict that ``torch.save`` wrote, to the CPU, with ``weights_only=True``.

    Every record is compared with its CRC first; files of PyTorch before 1.6 have none.

    Raises:
        CheckpointError: There is no such file, it is damaged, or it holds more than tensors and
            plain values (such a file could run code and is not loaded).
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(_no_file(path))
    try:
        with path.open("rb") as file:
            content = _load(file, path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no state dict, but a {type(content).__name__}")
    problem = wrong_content(content)
    if problem:
        raise CheckpointError(f"{path} is not a usable checkpoint: {problem}")
    return content


def _load(file: BinaryIO, path: Path) -> Any:
    if is_archive(file):
        check_archive(file, path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of types that the content is checked for below
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # what a stranger has written may lead to any
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if "weights_only" in str(error) or "Weights only" in reason:
            raise CheckpointError(
                f"{path} is not weights alone: it holds objects that could run code when loaded, "
                "or is not a file of torch.save. If you trust it, save its tensors alone: "
                "torch.save(torch.load(FILE, weights_only=False)['state_dict'], NEW_FILE)"
            ) from error
        raise CheckpointError(
            f"{path} cannot be read as PyTorch weights ({os.path.getsize(path)} bytes): {reason}"
        ) from error


def _no_file(path: Path) -> str:
    if path.is_dir():
        return f"{path} is a folder, not a weights file{_beside(path / 'x')}"
    if os.path.exists(path):
        return f"{path} is not a regular file, and is not read as weights"
    if path.is_symlink():
        return f"the link {path} leads to no weights file"
    return f"no weights file at {path}{_beside(path)}"


def _beside(path: Path) -> str:
    found = sorted(p.name for p in path.parent.glob("*.pth")) if path.parent.is_dir() else []
    return f" (there: {', '.join(found)})" if found else ""


def not_finite(value: Tensor) -> str:
    """What is not finite in a tensor, in words; "" where all of it is."""
    if not value.is_floating_point():
        return ""
    value = value.float() if value.element_size() == 1 else value  # torch asks none of 8 bits
    if torch.isfinite(value).all():
        return ""
    nan, inf = int(torch.isnan(value).sum()), int(torch.isinf(value).sum())
    found = [f"{count} {name}" for count, name in ((nan, "NaN"), (inf, "infinite")) if count]
    return f"{' and '.join(found)} of {value.numel()} values"


def check_finite(
    state: Mapping[str, Tensor], source: str, expected: Mapping[str, Tensor] | None = None
) -> None:
    """Refuse weights and buffers that are infinite or not a number.

    Args:
        state: Tensors by name.
        source: What to call them in the message.
        expected: The same of the model as it was built. What is not finite there, as a mask of
            minus infinity, may be so in ``state``, in the same places.

    Raises:
        CheckpointError: One is not. It names the first few.
    """
    wrong = []
    for name, value in state.items():
        what = not_finite(value)
        own = None if expected is None else expected.get(name)
        if what and not (own is not None and _same_places(value, own)):
            wrong.append(f"{name} ({what})")
    if wrong:
        raise CheckpointError(
            f"{source} has weights that are not finite: {', '.join(wrong[:5])}"
            f"{' ...' if len(wrong) > 5 else ''}. They are of a training that has diverged, or the "
            "file is damaged: take an earlier checkpoint"
        )


def _same_places(value: Tensor, own: Tensor) -> bool:
    """Whether all that is not finite is the same in both."""
    if value.shape != own.shape or not own.is_floating_point():
        return False
    value, own = value.double(), own.double().to(value.device)
    finite = torch.isfinite(value)
    return torch.equal(torch.where(finite, 0, value), torch.where(torch.isfinite(own), 0, own))


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


def weights_digest(network: nn.Module) -> str:
    """SHA-256 of a network's weights and buffers, their names, types and shapes."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def write_torch_file(content: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write a dict as ``torch.save`` does, whole or not at all.

    Raises:
        WriteError: The file cannot be written.
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
