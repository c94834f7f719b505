"""Processes that read data and die: one message that helps."""

import errno
import os
import signal
import time

import pytest
from torch.utils.data import DataLoader, Dataset, get_worker_info

from daseg.utils.errors import DataError, WorkerError
from daseg.utils.workers import workers_of


class Dying(Dataset):
    """Three items; the process that reads the last one is killed, or raises an error."""

    def __init__(self, error=None):
        self.error = error

    def __len__(self):
        return 3

    def __getitem__(self, index):
        if index == 2 and get_worker_info() is not None:
            if self.error is not None:
                raise self.error
            os.kill(os.getpid(), signal.SIGKILL)
        return index


def read(error=None):
    with workers_of("val_dataloader"):
        return list(DataLoader(Dying(error), batch_size=None, num_workers=1))


@pytest.mark.slow  # torch waits for the dead
def test_a_killed_process_is_told():
    with pytest.raises(WorkerError) as caught:
        read()
    text = str(caught.value)
    assert text.startswith("val_dataloader: a worker process has died (process ")
    for part in (
        "Usually memory ran out",
        "/dev/shm",
        "--cfg-options val_dataloader.num_workers=N; 0 reads in the main process",
        "persistent_workers",
        "docker run --shm-size=8g",
    ):
        assert part in text
    assert "\n" not in text


@pytest.mark.slow  # torch waits for the dead
def test_a_process_that_is_killed_while_nobody_waits_for_it():
    """Torch raises its error wherever the main thread is: here, far from the loader."""
    batches = iter(DataLoader(list(range(50)), batch_size=None, num_workers=1))
    next(batches)

    def kill_and_work():
        with workers_of("train_dataloader"):
            os.kill(batches._workers[0].pid, signal.SIGKILL)
            for _ in range(600):
                time.sleep(0.05)

    with pytest.raises(WorkerError, match=r"^train_dataloader: a worker process has died"):
        kill_and_work()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError("of 3 GB"), r"^val_dataloader: memory has run out .*: use fewer"),
        (
            OSError(errno.EMFILE, "Too many open files"),
            r"too many open files: .*ulimit -n 65536",
        ),
        pytest.param(
            RuntimeError("unable to open shared memory object </torch_1_2> in read-write mode"),
            r"no shared memory left .*--shm-size",
            marks=pytest.mark.slow,  # torch waits for the dead
        ),
    ],
)
def test_what_a_process_says_before_it_dies(error, message):
    with pytest.raises(WorkerError, match=message):
        read(error)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            RuntimeError(
                "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that "
                "dataloader's workers are out of shared memory. Please try to raise your shared "
                "memory limit."
            ),
            "no shared memory left .*Bus error",
        ),
        (
            RuntimeError("DataLoader worker (pid(s) 7, 8) exited unexpectedly"),
            r"has died \(process 7, 8 exited unexpectedly\)",
        ),
        (
            RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "),
            r"has died \(process 7 is killed by signal: Killed\)",
        ),
        (
            RuntimeError("unable to open shared memory object </torch_1_2> in read-write mode"),
            r"no shared memory left .*--shm-size",
        ),
        (RuntimeError("Pin memory thread exited unexpectedly"), r"has died \(Pin memory thread"),
        (RuntimeError("received 0 items of ancdata"), "no shared memory left|too many open files"),
        (
            RuntimeError("Too many open files. Communication with the workers is no longer poss"),
            "too many open files",
        ),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory has run out"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "memory has run out"),
    ],
)
def test_what_torch_and_the_system_say(error, message):
    with pytest.raises(WorkerError, match=message) as caught, workers_of("the images", "--workers"):
        raise error
    assert "--workers=N" in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        DataError("image shm.png cannot be read: Too many open files"),
        RuntimeError("The size of tensor a must match"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:1] . DefaultCPUAllocator: can't allocate memory"
        ),
        ValueError("shared memory"),
        FileNotFoundError(errno.ENOENT, "No such file", "a.png"),
    ],
)
def test_other_errors_stay_what_they_are(error):
    with pytest.raises(type(error)) as caught, workers_of("train_dataloader"):
        raise error
    assert caught.value is error
