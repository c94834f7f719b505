"""One-line descriptions of errors and parts of other packages."""

import inspect
import traceback
from pathlib import Path
from typing import Any

from daseg.utils.errors import UserError


def reason(error: BaseException) -> str:
    """The message of an error; its type and the line that raised it where it is no `UserError`."""
    if isinstance(error, UserError):
        return str(error)
    text, frames = str(error).strip(), traceback.extract_tb(error.__traceback__)
    if not text and frames:
        text = f"{frames[-1].line} (line {frames[-1].lineno} of {Path(frames[-1].filename).name})"
    return f"{type(error).__name__}: {text}"


def call_of(part: Any) -> str:
    """How a class is called, ``Pad(size=None, size_divisor=None)``, or its name alone."""
    try:
        parameters = inspect.signature(part).parameters.values()
    except (TypeError, ValueError):
        return str(getattr(part, "__name__", part))
    bare = [str(p.replace(annotation=inspect.Parameter.empty)) for p in parameters]
    return f"{part.__name__}({', '.join(bare)})"
