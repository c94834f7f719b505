"""The jobs of a study as processes of their own, one on a device."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

import torch

from daseg.engine.checkpoint import numbered_checkpoints
from daseg.study.changes import refuse_changes, refuse_edits
from daseg.study.choosing import chosen_checkpoints
from daseg.study.jobs import Job
from daseg.study.queue import Elsewhere
from daseg.utils.errors import ConfigError, UserError
from daseg.utils.json_files import read_json
from daseg.utils.lock import FolderInUseError, locked
from daseg.utils.parent import named_parent

PROGRAM = (sys.executable, "-m", "daseg")
LOG = "log.txt"
LOCK = ".job.lock"  # the commands lock the folders that they write into themselves
LAST_LINES = 12  # of a failed command's output


class StudyError(UserError):
    """Jobs of a study failed."""


class Processes:
    """Runs jobs, each command a process of its own.

    A job is locked for as long as one of its processes lives. Where a study was killed, its
    commands learn of it and stop, as by SIGTERM; the next study waits for that, and does not train
    into the same folder.

    Args:
        devices: By number of the slot: "cpu", "cuda:0", ...
        show: Where a line goes that a job begins.
    """

    def __init__(self, devices: Sequence[str], show: Callable[[str], None] = print) -> None:
        self.devices, self.show = list(devices), show
        self.stopping = False
        self._children: set[subprocess.Popen[bytes]] = set()

    def run(self, job: Job, slot: int) -> tuple[str, bool]:
        """Make a job if it is not there; return what came out in words, and if it was made now.

        Raises:
            Elsewhere: Another process is at it.
            ConfigError: It is there, made in another way; or its config was edited since the check.
            StudyError: One of its commands failed.
        """
        job.folder.mkdir(parents=True, exist_ok=True)
        with _locked(job) as lock:
            refuse_changes(job)
            if job.state == "done":
                return f"is there already{_result(job)}", False
            refuse_edits(job)  # before the record says that anything of it was begun
            job.begin()
            self.show(f"{job}: begins on {self.devices[slot]}, see {job.folder / LOG}")
            try:
                self._make(job, lock, slot)
            except BaseException as error:
                job.write(state="stopped" if self.stopping else "failed", error=str(error))
                raise
            job.write(state="done", made=datetime.now(timezone.utc).isoformat())
        return f"done{_result(job)}", True

    def stop(self) -> None:
        """End all running commands; none begins any more."""
        self.stopping = True
        for child in list(self._children):
            _end(child)

    def _make(self, job: Job, lock: int, slot: int) -> None:
        if job.given is None:
            self._call(job, "make", job.making(), lock, slot)
        if not job.step.is_row:
            return
        last = job.product() if job.given is None else Path(job.given)
        self._call(job, "test", job.testing(last, job.folder / "test"), lock, slot)
        if job.given is None:
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

    def _call(self, job: Job, part: str, words: list[str], lock: int, slot: int) -> None:
        if self.stopping:
            raise StudyError("stopped")
        refuse_edits(job)  # a training may have taken hours since the last command
        begin, record = time.monotonic(), job.record()
        shown = shlex.join(["daseg", *words])
        job.write(commands=[*record["commands"], shown])
        with (job.folder / LOG).open("ab") as log:
            child = subprocess.Popen(
                [*PROGRAM, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | named_parent() | self._environment(slot),
                pass_fds=[lock],
                start_new_session=True,
            )
        self._children.add(child)
        if self.stopping:  # since it was asked above, so that `stop` may not have seen this one
            _end(child)
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
            number = int(device.partition(":")[2])
            visible = os.environ.get("CUDA_VISIBLE_DEVICES")  # GPUs are counted among these
            names = visible.split(",") if visible else [str(each) for each in range(number + 1)]
            return {"CUDA_VISIBLE_DEVICES": names[number]}
        threads = max(1, (os.cpu_count() or 1) // len(self.devices))
        stated = os.environ.get("OMP_NUM_THREADS")  # by the user, who knows better
        return {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": stated or str(threads)}


def choose_devices(wanted: Sequence[str] | None = None, jobs: int | None = None) -> list[str]:
    """The device of each of the jobs that run at a time.

    Args:
        wanted: "cpu", "cuda:0", ...; None: every GPU, or where there is none, the processor.
        jobs: How many at a time, dealt to the devices in turn. None: one on each; on the processor
            alone one for each core, up to 4.

    Raises:
        ConfigError: There is no such device, or no job.
    """
    if jobs is not None and jobs < 1:
        raise ConfigError(f"--jobs {jobs}: at least one job runs at a time")
    there = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    for device in wanted or ():
        if device not in ("cpu", *there):
            raise ConfigError(f"--devices {device}: there are {', '.join(['cpu', *there])}")
    devices = list(wanted or there) or ["cpu"] * min(4, os.cpu_count() or 1)
    return [devices[number % len(devices)] for number in range(jobs or len(devices))]


def state_of(job: Job) -> str:
    """The state in a job's record; "stopped" where it says "running", and nothing of it lives."""
    if job.state != "running":
        return job.state
    try:
        with _locked(job):
            return "stopped"
    except Elsewhere:
        return "running"


def note_stopped(job: Job) -> None:
    """Correct the record of a job that was killed before it could write that it was stopped."""
    if job.state == "running":
        with suppress(Elsewhere), _locked(job):
            if job.state == "running":
                job.write(state="stopped")


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a command and its processes; by SIGTERM, since SIGINT may be ignored in the background.

    What they were writing is not lost: they go on from it, as after any kill.
    """
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)


@contextmanager
def _locked(job: Job) -> Iterator[int]:
    """Hold the lock of a job, which processes that inherit its file hold, too."""
    with ExitStack() as stack:
        try:
            handle = stack.enter_context(locked(job.folder, name=LOCK, stays=True))
        except FolderInUseError:
            raise Elsewhere from None
        yield handle


def _result(job: Job) -> str:
    path = job.folder / "test" / "results.json"
    if not job.step.is_row or not path.is_file():
        return ""
    miou = read_json(path, "the result of a test", {"mIoU": float | None})["mIoU"]
    return "" if miou is None else f", mIoU {miou:.1f}"  # None: no class has an IoU


def _last_lines(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
    return "\n".join([f"  (all of it: {path})", *(f"  {line[:200]}" for line in lines)])
