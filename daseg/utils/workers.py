"""Helpful messages about data loading processes that have failed."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from daseg.utils.errors import UserError, WorkerError

DIED = re.compile(r"DataLoader worker \(pid\(?s?\)? ([\d, ]+)\) (.*)|Pin memory thread exited")
SHARED = re.compile(
    r"bus error|insufficient shared memory|unable to (open|mmap|resize|allocate) .*|torch_shm|"
    r"No space left on device.*/torch_|received 0 items of ancdata",
    re.IGNORECASE,
)
FILES = re.compile(r"Too many open files", re.IGNORECASE)
MEMORY = re.compile(
    r"Cannot allocate memory|can't start new thread|can't allocate memory|MemoryError"
)
SHM = "a container has 64 MiB of /dev/shm by default (docker run --shm-size=8g)"


@contextmanager
def workers_of(loader: str, option: str | None = None) -> Iterator[None]:
    """Turn failures of worker processes into errors that name the loader, the cause and a remedy.

    Args:
        loader: The loader's name in messages: "train_dataloader".
        option: The option for its number of processes; None: its ``num_workers``.

    Raises:
        WorkerError: A worker has died, was killed, or could not be started.
    """
    try:
        yield
    except UserError:
        raise
    except (RuntimeError, OSError, MemoryError) as error:
        option = option or f"--cfg-options {loader}.num_workers"
        fewer = f"use fewer workers ({option}=N; 0 reads in the main process)"
        found = _what(error, fewer)
        if found is None:
            raise
        raise WorkerError(f"{loader}: {found}") from error


def _what(error: Exception, fewer: str) -> str | None:
    """The cause and a remedy; None for an error of another kind."""
    text, number = str(error), getattr(error, "errno", None)
    last = (text.strip().splitlines() or [""])[-1][:120]
    if FILES.search(text) or number in (errno.EMFILE, errno.ENFILE):
        return (
            "the worker processes have too many open files: raise the limit (ulimit -n 65536), or "
            f"{fewer}"
        )
    died, shared = DIED.search(text), SHARED.search(text)
    if died is not None and shared is None:
        how = f"process {died[1]} {died[2].split('.')[0]}" if died[1] else died[0]
        return (
            f"a worker process has died ({how}). Usually memory ran out and the system killed it "
            f"(see dmesg), or /dev/shm was full: {fewer}, take smaller batches, leave out "
            f"persistent_workers; {SHM}"
        )
    if shared is not None:
        return (
            f"the worker processes have no shared memory left for batches ({shared[0][:120]}): "
            f"{fewer}, or allow more; {SHM}"
        )
    in_worker = text.startswith("Caught ")
    if number in (errno.ENOMEM, errno.EAGAIN) or (in_worker and MEMORY.search(text)):
        return f"memory has run out ({last}): {fewer}, or take smaller batches"
    return None
