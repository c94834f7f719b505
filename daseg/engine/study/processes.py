"""The jobs of a study as processes of their own, one on a device."""

import fcntl
import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from daseg.engine.checkpoint import numbered_checkpoints
from daseg.engine.study.jobs import Job
from daseg.engine.study.queue import Elsewhere
from daseg.evaluation.study import chosen_checkpoints
from daseg.utils.errors import UserError

LOG = "log.txt"
LAST_LINES = 12  # of a failed command's output


class StudyError(UserError):
    """Jobs of a study failed."""


class Processes:
    """Runs jobs, each command a process of its own.

    A job is locked for as long as one of its processes lives: where a study was killed and its
    training lives on, the next one waits for that, and does not train into the same folder.

    Args:
        devices: By number of the slot: "cpu", "cuda:0", ...
    """

    def __init__(self, devices: Sequence[str]) -> None:
        self.devices = list(devices)
        self.stopping = False
        self._children: set[subprocess.Popen[bytes]] = set()

    def run(self, job: Job, slot: int) -> tuple[str, bool]:
        """Make a job if it is not there; return what came out in words, and if it was made now.

        Raises:
            Elsewhere: Another process is at it.
            StudyError: One of its commands failed.
        """
        job.folder.mkdir(parents=True, exist_ok=True)
        with _locked(job.folder / ".lock") as lock:
            if job.record().get("state") == "done":
                return f"is there already{_result(job)}", False
            job.write(settings=job.settings, state="running", commands=[], error=None)
            try:
                self._make(job, lock, slot)
            except BaseException as error:
                job.write(state="stopped" if self.stopping else "failed", error=str(error))
                raise
            job.write(state="done")
        return f"done{_result(job)}", True

    def stop(self) -> None:
        """Ask all running commands to end, as Ctrl-C does."""
        self.stopping = True
        for child in list(self._children):
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGINT)

    def _make(self, job: Job, lock: int, slot: int) -> None:
        given = job.plan.given.get(job.step.name)
        if given is None:
            self._call(job, "make", job.making(), lock, slot)
        if not job.step.is_row:
            return
        last = job.product() if given is None else Path(given)
        self._call(job, "test", job.testing(last, job.folder / "test"), lock, slot)
        if given is None:
            self._test_chosen(job, lock, slot)

    def _test_chosen(self, job: Job, lock: int, slot: int) -> None:
        """Test the checkpoints that the rules of selection choose; delete the others."""
        *earlier, _ = numbered_checkpoints(job.folder)
        there = {int(file.stem.removeprefix("iter_")): file for file in earlier}
        chosen = set(chosen_checkpoints(job.folder).values())
        for iteration, file in there.items():
            if iteration in chosen:
                out = job.folder / f"test_iter_{iteration}"
                self._call(job, "test", job.testing(file, out), lock, slot)
            else:
                file.unlink()

    def _call(self, job: Job, part: str, command: list[str], lock: int, slot: int) -> None:
        if self.stopping:
            raise StudyError("stopped")
        begin, record = time.monotonic(), job.record()
        shown = shlex.join(["python", f"tools/{Path(command[1]).name}", *command[2:]])
        job.write(commands=[*record["commands"], shown])
        with (job.folder / LOG).open("ab") as log:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | self._environment(slot),
                pass_fds=[lock],
                start_new_session=True,
            )
        self._children.add(child)
        try:
            code = child.wait()
        finally:
            self._children.discard(child)
        seconds = dict(record.get("seconds", {}))
        seconds[part] = round(seconds.get(part, 0) + time.monotonic() - begin, 1)
        job.write(seconds=seconds)
        if code:
            raise StudyError(f"{shown}\nended with {code}:\n{_last_lines(job.folder / LOG)}")

    def _environment(self, slot: int) -> dict[str, str]:
        device = self.devices[slot]
        if device.startswith("cuda"):
            return {"CUDA_VISIBLE_DEVICES": device.partition(":")[2] or "0"}
        threads = max(1, (os.cpu_count() or 1) // len(self.devices))
        return {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": str(threads)}


def default_devices(jobs: int | None = None) -> list[str]:
    """Every GPU; where there is none, the processor as often as ``jobs`` says, or up to 4 times."""
    if jobs is None and torch.cuda.is_available():
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return ["cpu"] * (jobs or min(4, os.cpu_count() or 1))


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Hold a lock, which processes that inherit its file hold, too."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Elsewhere from None
        yield file.fileno()


def _result(job: Job) -> str:
    path = job.folder / "test" / "results.json"
    if not job.step.is_row or not path.is_file():
        return ""
    return f", mIoU {json.loads(path.read_text(encoding='utf-8'))['mIoU']:.1f}"


def _last_lines(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
    return "\n".join([f"  (all of it: {path})", *(f"  {line[:200]}" for line in lines)])
