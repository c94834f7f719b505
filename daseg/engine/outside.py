"""What stops a training from outside, a full disk or a killed process, and what is left of it."""

import errno
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import master_only
from mmengine.optim import OptimWrapperDict

from daseg.engine.checkpoint import latest_checkpoint, model_state
from daseg.utils.errors import WorkerError, WriteError
from daseg.utils.writable import CAUSES, MIB, cause, free_bytes

# Errors of writing to any file.
OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


@contextmanager
def saying_what_is_whole(work_dir: str) -> Iterator[None]:
    """Add to what stops a training from outside what is left of it, and how to go on.

    Raises:
        WriteError: The disk is full, or a file cannot be written for another reason.
        WorkerError: A process that reads has died.
    """
    before = threading.excepthook
    threading.excepthook = _of_threads(before)
    try:
        yield
    except (WriteError, WorkerError) as error:
        raise type(error)(f"{error}. {_left(work_dir, error)}") from error
    except OSError as error:  # of a writer of mmengine's or TensorBoard's
        if not _is_of_writing(error, work_dir):
            raise
        named = Path(os.fsdecode(error.filename)) if error.filename else None
        what = named or f"the log in {work_dir}"
        why = cause(error, named or Path(work_dir, "log"))
        found = WriteError(f"{what} cannot be written: {why}")
        raise WriteError(f"{found}. {_left(work_dir, found)}") from error
    finally:
        threading.excepthook = before


def _is_of_writing(error: OSError, work_dir: str) -> bool:
    if error.errno in OF_WRITING:
        return True
    if error.errno not in CAUSES or not error.filename:
        return False
    path = os.path.realpath(os.fsdecode(error.filename))
    return path.startswith(os.path.join(os.path.realpath(work_dir), ""))


def _of_threads(before: Any) -> Any:
    """What shows errors of threads: TensorBoard raises those of its own once more in ours."""

    def show(args: threading.ExceptHookArgs) -> None:
        if not isinstance(args.exc_value, OSError) or args.exc_value.errno not in OF_WRITING:
            before(args)

    return show


def _left(work_dir: str, error: Exception) -> str:
    newest = latest_checkpoint(work_dir)
    if newest is None:
        return f"No checkpoint is in {work_dir} yet: the training has to begin again"
    size = newest.stat().st_size / MIB
    is_full = any(CAUSES[number] in str(error) for number in (errno.ENOSPC, errno.EDQUOT))
    room = f"make room for {size:.0f} MiB, which a checkpoint takes, and " if is_full else ""
    return f"{newest} is whole: {room}go on from it with --resume"


@master_only
def warn_of_space(runner: Any) -> None:
    """Warn where a checkpoint will not fit on the disk."""
    free, needed = free_bytes(Path(runner.work_dir)), _checkpoint_bytes(runner)
    if free is not None and free < needed:
        print(
            f"warning: a checkpoint will take about {needed / MIB:.0f} MiB, and "
            f"{free / MIB:.0f} MiB are free in {runner.work_dir}: make room before the first one "
            "is written, or choose another --work-dir",
            file=sys.stderr,
        )


def _checkpoint_bytes(runner: Any) -> int:
    """About how large a checkpoint is: the model's state, and what optimizers keep of it."""
    total = sum(map(_size, model_state(runner.model).values()))
    wrapper = runner.optim_wrapper
    several = wrapper.optim_wrappers if isinstance(wrapper, OptimWrapperDict) else {"": wrapper}
    for each in several.values():
        for group in each.optimizer.param_groups:
            kept = 2 if "betas" in group else int(bool(group.get("momentum")))
            total += kept * sum(map(_size, group["params"]))
    return total


def _size(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()
