"""Read files of programs defensively: JSON and numpy's arrays."""

import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_origin

import numpy as np

from daseg.utils.annotations import fits
from daseg.utils.errors import DataError
from daseg.utils.files import read_bytes

LARGEST = 2**63 - 1  # numpy and torch count no further


def parse_json(text: str | bytes, *, nan: bool = False) -> Any:
    """Parse a JSON text.

    Args:
        text: The text; bytes are UTF-8.
        nan: Whether numbers may be NaN or infinite, as Python writes them.

    Raises:
        ValueError: It is not JSON, has a key twice, or a number that is too large.
    """
    try:
        return json.loads(
            text.decode("utf-8") if isinstance(text, bytes) else text,
            object_pairs_hook=_once,
            parse_constant=float if nan else _refuse,
            parse_float=float if nan else _finite,
            parse_int=_whole,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} comes twice")
    return found


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is too large")
    return number


def _whole(text: str) -> int:
    number = int(text) if len(text) < 30 else LARGEST + 1
    if abs(number) > LARGEST:
        raise ValueError(f"{text[:40]} is too large")
    return number


def read_json(
    path: Path, what: str, shape: Any = dict[str, Any], *, hint: str = "", nan: bool = False
) -> Any:
    """Read a JSON file and check its shape.

    Args:
        path: The file.
        what: What the file should be, for messages: "a protocol card".
        shape: See `check_shape`.
        hint: What to do otherwise, for messages.
        nan: See `parse_json`.

    Raises:
        DataError: The file cannot be read, or has other content.
    """
    try:
        return check_shape(parse_json(read_bytes(path), nan=nan), shape)
    except (OSError, ValueError) as error:
        raise unreadable(path, what, error, hint) from error


def unreadable(path: Path, what: str, error: Exception, hint: str = "") -> DataError:
    """The error for a file that cannot be read as ``what``."""
    reason = (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:300]
    return DataError(f"{path} cannot be read as {what}: {reason}{hint and f'; {hint}'}")


def check_shape(value: Any, shape: Any, place: str = "") -> Any:
    """Check that a value has a shape; return it.

    Args:
        value: From JSON.
        shape: A type, or one of types, as annotations say it: ``list[str]``, ``float | None``,
            ``dict[str, int]``, ``tuple[int, int]`` (a list of two). A whole number is a float too;
            a truth value is not a number. Or a dict: the keys that are needed, each with its shape;
            a key that ends in ``?`` may be missing, and other keys may be there. Or a list of one
            shape, which all items have.
        place: Where it stands, for the message.

    Raises:
        ValueError: The value has another shape.
    """
    if isinstance(shape, Mapping):
        _check_keys(value, shape, place)
    elif isinstance(shape, list):
        for number, item in enumerate(check_shape(value, list[Any], place)):
            check_shape(item, shape[0], f"{place}[{number}]")
    elif not fits(value, shape):
        name = getattr(shape, "__name__", str(shape)) if get_origin(shape) is None else str(shape)
        shown = repr(value)[:60]
        raise ValueError(f"{place or 'it'} is {shown}, not {name.replace('typing.', '')}")
    return value


def _check_keys(value: Any, shape: Mapping[str, Any], place: str) -> None:
    check_shape(value, dict[str, Any], place)
    for key, kind in shape.items():
        name = key.removesuffix("?")
        if name in value:
            check_shape(value[name], kind, f"{place}.{name}".lstrip("."))
        elif name == key:
            raise ValueError(f"{place or 'it'} has no {name!r}")


def read_arrays(path: Path, what: str, names: Sequence[str], *, hint: str = "") -> list[np.ndarray]:
    """Arrays of a file of ``numpy.savez``, by their names.

    Raises:
        DataError: The file cannot be read, or lacks one.
    """
    try:
        data = read_bytes(path)
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            return [stored[name] for name in names]
    except Exception as error:  # numpy and zipfile have many ways to say that a file is broken
        raise unreadable(path, what, error, hint) from error
