"""Make a job: its commands one after another, each a process of its own."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

from daseg.engine.checkpoint import numbered_checkpoints
from daseg.study.check import refuse_changes, refuse_edits
from daseg.study.choosing import chosen_checkpoints
from daseg.study.jobs import Job
from daseg.study.runs import read_test
from daseg.utils.errors import UserError
from daseg.utils.lock import FolderInUseError, locked
from daseg.utils.parent import named_parent

PROGRAM = (sys.executable, "-m", "daseg")
LOG = "log.txt"
LOCK = ".job.lock"  # the commands lock the folders that they write into themselves
LAST_LINES = 12  # of a failed command's output


class StudyError(UserError):
    """Jobs of a study failed."""


class JobLockedError(Exception):
    """Another process is running this job."""


class Maker:
    """Makes jobs, each command a process of its own.

    A job is locked for as long as one of its processes lives. If the maker is killed, its commands
    notice it and stop, as by SIGTERM; whoever makes the job next waits for that, and does not train
    into the same folder.

    Args:
        show: Where a line goes when a job begins.
    """

    def __init__(self, show: Callable[[str], None] = print) -> None:
        self.show = show
        self.stopping = False
        self._children: set[subprocess.Popen[bytes]] = set()

    def make(self, job: Job, where: str, environment: Mapping[str, str]) -> tuple[str, bool]:
        """Make a job unless it is done.

        Args:
            job: The job.
            where: Where it runs, for the reader.
            environment: Variables that are set for its commands.

        Returns:
            What came out, in words, and whether it was made now.

        Raises:
            JobLockedError: Another process is making it.
            ConfigError: It was made in another way; or its config was edited since the check.
            StudyError: A command of the job failed.
        """
        job.folder.mkdir(parents=True, exist_ok=True)
        with _locked(job) as lock:
            refuse_changes(job)
            if job.state == "done":
                return f"is there already{result_of(job)}", False
            refuse_edits(job)  # before the record says that any of it was begun
            job.begin()
            self.show(f"{job}: begins on {where}, see {job.folder / LOG}")
            try:
                self._run_all(job, lock, environment)
            except BaseException as error:
                state = "failed"
                if isinstance(error, SystemExit):
                    state = "queued"  # a cluster takes the job up again
                elif self.stopping or isinstance(error, KeyboardInterrupt):
                    state = "stopped"
                job.write(state=state, error=str(error))
                raise
            job.write(state="done", made=datetime.now(timezone.utc).isoformat())
        return f"done{result_of(job)}", True

    def stop(self) -> None:
        """End all running commands; none begins any more."""
        self.stopping = True
        for child in list(self._children):
            _end(child)

    def wait(self) -> None:
        """Wait until the running commands have ended; also from a handler of a signal."""
        for child in list(self._children):
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    def _run_all(self, job: Job, lock: int, environment: Mapping[str, str]) -> None:
        def run(part: str, words: list[str]) -> None:
            self._run(job, part, words, lock, environment)

        if job.given is None:
            run("make", job.making())
        if not job.step.is_row:
            return
        last = job.product() if job.given is None else Path(job.given)
        run("test", job.testing(last, job.folder / "test"))
        if job.given is not None:
            return
        # Of the other checkpoints, those are tested that the rules of selection choose.
        chosen = set(chosen_checkpoints(job.folder).values())
        for file in numbered_checkpoints(job.folder)[:-1]:
            iteration = int(file.stem.removeprefix("iter_"))
            if iteration in chosen:
                run("test", job.testing(file, job.folder / f"test_iter_{iteration}"))
            else:
                file.unlink()

    def _run(
        self, job: Job, part: str, words: list[str], lock: int, environment: Mapping[str, str]
    ) -> None:
        """Run one command to its end; ``part`` names its time in the record."""
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
                env={**os.environ, **named_parent(), **environment},
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
            log_text = (job.folder / LOG).read_text(encoding="utf-8", errors="replace")
            last = [f"  {line[:200]}" for line in log_text.splitlines()[-LAST_LINES:]]
            start = f"{shown}\nended with {code}:\n  (all of it: {job.folder / LOG})"
            raise StudyError("\n".join([start, *last]))


def state_of(job: Job) -> str:
    """The state in a job's record; "stopped" where it says "running" and no process of it lives."""
    if job.state != "running":
        return job.state
    try:
        with _locked(job):
            return "stopped"
    except JobLockedError:
        return "running"


def note_stopped(job: Job) -> None:
    """Correct the record of a job that was killed before it could write that it was stopped."""
    if job.state == "running":
        with suppress(JobLockedError), _locked(job):
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
    """Hold the lock of a job; processes that inherit its file hold it, too."""
    with ExitStack() as stack:
        try:
            handle = stack.enter_context(locked(job.folder, name=LOCK, stays=True))
        except FolderInUseError:
            raise JobLockedError from None
        yield handle


def result_of(job: Job) -> str:
    """The mIoU of a job that was tested, in words behind others: ", mIoU 31.2"; else ""."""
    test = read_test(job.folder / "test")
    return "" if test is None or test.miou is None else f", mIoU {test.miou:.1f}"
