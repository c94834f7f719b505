"""An error that nobody foresaw, as one message; its traceback goes where it can be looked at."""

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
    "train_dataloader.batch_size or crop, 16 bits (--amp), or see with nvidia-smi who else uses it"
)
BUG = "If your config or a part of yours does not explain it, please report it with the traceback"


def report(error: Exception) -> str:
    """The message of an unexpected error: what, where, what to do, and where its traceback is."""
    kept = keep_traceback(error, always=True)
    where = f"{_place(error)}; " if _place(error) else ""
    remedy = OUT_OF_MEMORY if _is_out_of_memory(error) else BUG
    is_above = shows_tracebacks() or kept is None
    shown = "shown above" if is_above else f"in {kept} ({TRACEBACK}=1 shows it)"
    return f"unexpected {_first_lines(reason(error))}\n  {where}the traceback is {shown}. {remedy}"


def keep_traceback(error: BaseException, *, always: bool) -> Path | None:
    """Write the traceback of an error into the log file of the run, and show it where asked for.

    Args:
        error: The error.
        always: Where there is no log file, write it to a file of the temporary folder; and show
            it on stderr where that cannot be written either.

    Returns:
        The file; None where there is none.
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
    """Whether a user's error was made of one of another kind, whose traceback may tell more."""
    return error.__cause__ is not None and not isinstance(error.__cause__, UserError)


def _file_handlers() -> list[logging.FileHandler]:
    """Those of the run's log; importing mmengine for it, in a tool that has none, takes long."""
    module = sys.modules.get("mmengine.logging")
    if module is None or not module.MMLogger._instance_dict:
        return []
    handlers = module.MMLogger.get_current_instance().handlers
    return [handler for handler in handlers if isinstance(handler, logging.FileHandler)]


def _place(error: Exception) -> str:
    """The last line outside installed packages that was at work."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if PACKAGES not in f.filename]
    frames = [frame for frame in frames if not frame.filename.startswith("<")]
    if not frames:
        return ""
    return f"at {frames[-1].filename}, line {frames[-1].lineno}, in {frames[-1].name}"


def _is_out_of_memory(error: Exception) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.OutOfMemoryError)


def _first_lines(message: str, most: int = 4) -> str:
    lines = message.splitlines()
    return "\n".join(lines[:most]) + (" ..." if len(lines) > most else "")
