"""One message for an unexpected error; its traceback goes to the log file."""

import logging
import sys
import tempfile
import traceback
from pathlib import Path

from daseg.utils.errors import UserError
from daseg.utils.reasons import reason
from daseg.utils.verbosity import TRACEBACK, shows_tracebacks

PACKAGES = "site-packages"
OUT_OF_MEMORY = (
    "the accelerator's memory is full: take fewer images at once (model.micro_batch), a smaller "
    "train_dataloader.batch_size or crop, or --amp; nvidia-smi shows which other programs use it"
)
BUG = (
    "If it is not caused by your config or by a part of yours, please report it with the traceback"
)


def report(error: Exception) -> str:
    """The message of an unexpected error: what happened, where, and where the traceback is."""
    kept = keep_traceback(error, always=True)
    where = f"{_place(error)}; " if _place(error) else ""
    torch = sys.modules.get("torch")
    is_full = torch is not None and isinstance(error, torch.OutOfMemoryError)
    advice = OUT_OF_MEMORY if is_full else BUG
    is_above = shows_tracebacks() or kept is None
    shown = "shown above" if is_above else f"in {kept} ({TRACEBACK}=1 shows it)"
    lines = reason(error).splitlines()
    message = "\n".join(lines[:4]) + (" ..." if len(lines) > 4 else "")
    return f"unexpected {message}\n  {where}the traceback is {shown}. {advice}"


def keep_traceback(error: BaseException, *, always: bool) -> Path | None:
    """Write the traceback of an error to the log file of the run; show it if the user wants to.

    Args:
        error: The error.
        always: Without a log file, write it to a file in the temporary folder, or if that fails
            to stderr.

    Returns:
        The file, or None.
    """
    text = "".join(traceback.format_exception(error))
    if shows_tracebacks():
        print(text, file=sys.stderr)
    for handler in _file_handlers():
        record = logging.LogRecord("daseg", logging.ERROR, __file__, 0, text, None, None)
        try:
            handler.emit(record)
        except OSError:  # the disk may be full, which is what the error is about
            break
        return Path(handler.baseFilename)
    if not always:
        return None
    try:
        number, name = tempfile.mkstemp(prefix="daseg_traceback_", suffix=".txt")
        with open(number, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        print(text, file=sys.stderr)
        return None
    return Path(name)


def hides_another(error: UserError) -> bool:
    """Whether a `UserError` was caused by another kind of error, whose traceback helps."""
    return error.__cause__ is not None and not isinstance(error.__cause__, UserError)


def _file_handlers() -> list[logging.FileHandler]:
    """The log files of the run. mmengine is not imported for it: that takes long."""
    module = sys.modules.get("mmengine.logging")
    if module is None or not module.MMLogger._instance_dict:
        return []
    handlers = module.MMLogger.get_current_instance().handlers
    return [handler for handler in handlers if isinstance(handler, logging.FileHandler)]


def _place(error: Exception) -> str:
    """The innermost line of the traceback that is not in an installed package."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if PACKAGES not in f.filename]
    frames = [frame for frame in frames if not frame.filename.startswith("<")]
    if not frames:
        return ""
    return f"at {frames[-1].filename}, line {frames[-1].lineno}, in {frames[-1].name}"
