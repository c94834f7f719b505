"""One side of a comparison: a process of its own, which runs when it is told to."""

import multiprocessing
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import torch

from daseg.utils.errors import ConfigError, UserError

# What is timed. It may return values of the work, such as its loss; "seconds" among them takes the
# place of the time that the caller has measured.
Run = Callable[[], Mapping[str, float] | None]
THREADS = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"


@dataclass
class Measured:
    """What came out of one side.

    Attributes:
        name: Whose code it is.
        seconds: Of each timed run.
        values: What the last run returned.
        memory: Bytes: ``start`` resident after torch was imported, ``ready`` before the first run,
            ``peak`` at most in the runs, ``children`` the largest process that it started;
            ``cuda`` the most that PyTorch had allocated of the GPU, where one is used.
    """

    name: str
    seconds: list[float] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Plain values for the JSON file."""
        return dict(
            name=self.name,
            seconds=[float(f"{each:.6g}") for each in self.seconds],
            values=self.values,
            memory_mib={key: round(value / 2**20, 1) for key, value in self.memory.items()},
        )


class Worker:
    """The process of a side, from entering the context to leaving it.

    Args:
        name: Whose code runs there.
        make: See `daseg.benchmarks.compare.Side`.
        arguments: Its keyword arguments.
        threads: Threads of torch, OpenCV and the libraries of linear algebra.

    Raises:
        ConfigError: The process ended, or its code raised an error.
    """

    def __init__(
        self, name: str, make: Callable[..., Run], arguments: Mapping[str, Any], threads: int
    ) -> None:
        self.measured = Measured(name)
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(make, arguments, threads, there))
        with _environment(dict.fromkeys(THREADS, str(threads))):
            self._process.start()
        there.close()

    def __enter__(self) -> "Worker":
        try:
            self._answer()  # it is ready
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._here.close()  # the process ends when it is told nothing more
        self._process.join(timeout=10)
        self._process.kill()

    def run(self, *, timed: bool = True) -> None:
        """Let it run once, and wait."""
        self._here.send("run")
        seconds, self.measured.values = self._answer()
        if timed:
            self.measured.seconds.append(seconds)

    def end(self) -> Measured:
        """What was measured, with the memory."""
        self._here.send("memory")
        self.measured.memory = self._answer()
        return self.measured

    def _answer(self) -> Any:
        try:
            what, answer = self._here.recv()
        except (EOFError, ConnectionResetError):
            raise ConfigError(
                f"the benchmark of {self.measured.name}: its process ended early; is there enough "
                "memory?"
            ) from None
        if what == "error":
            raise ConfigError(f"the benchmark of {self.measured.name}: {answer}")
        return answer


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the processes that are started in the body."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(
    make: Callable[..., Run], arguments: Mapping[str, Any], threads: int, pipe: Connection
) -> None:
    """The process: build, then do what is asked for until nobody asks."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    memory = dict(start=resident("VmRSS"))
    try:
        run = make(**arguments)
        memory["ready"] = resident("VmRSS")
        forget_peak()
        pipe.send(("ready", None))
        while True:
            asked = pipe.recv()
            pipe.send((asked, _once(run) if asked == "run" else memory | _peaks()))
    except EOFError:
        return
    except UserError as error:
        pipe.send(("error", str(error)))
    except Exception:
        pipe.send(("error", traceback.format_exc()))


def _once(run: Run) -> tuple[float, dict[str, float]]:
    _wait_for_gpu()
    begin = time.perf_counter()
    values = dict(run() or {})
    _wait_for_gpu()
    seconds = time.perf_counter() - begin
    return values.pop("seconds", seconds), values


def _wait_for_gpu() -> None:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def _peaks() -> dict[str, int]:
    found = dict(peak=resident("VmHWM"), children=_largest(resource.RUSAGE_CHILDREN))
    if torch.cuda.is_initialized():
        found["cuda"] = torch.cuda.max_memory_allocated()
    return found


def forget_peak() -> None:
    """Let the peak of the resident memory start anew, where the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def resident(which: str) -> int:
    """Bytes of this process in memory, now (VmRSS) or at its peak (VmHWM)."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:  # no Linux: only the peak is known, from the process's start on
        return _largest(resource.RUSAGE_SELF)
    line = next(line for line in status.splitlines() if line.startswith(f"{which}:"))
    return int(line.split()[1]) * 1024


def _largest(who: int) -> int:
    """Bytes of the largest process, as the system has accounted."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(who).ru_maxrss * unit
