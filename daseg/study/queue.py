"""Run jobs that need each other, several at a time."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from daseg.study.jobs import Job, Key
from daseg.study.launchers import Launcher
from daseg.study.making import JobLockedError
from daseg.utils.progress import duration

Outcome = tuple[str, bool] | Exception  # what came out, and whether it was made now
POLL_SECONDS = 5.0  # until a job that another process runs is tried again


@dataclass
class Queue:
    """Jobs, and how far they are.

    A job waits until its launcher has free slots for it; none overtakes one that waits for several.

    Args:
        jobs: All jobs, each behind those that it needs.
        launcher: Runs them.
        show: Where a line about the progress goes.
    """

    jobs: Mapping[Key, Job]
    launcher: Launcher
    show: Callable[[str], None] = print
    done: set[Key] = field(default_factory=set)
    failed: dict[Key, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._free = list(self.launcher.slots)
        self._running: dict[Key, threading.Thread] = {}
        self._again: dict[Key, float] = {}  # when to try again a job that another process runs
        self._seconds: list[float] = []  # of the jobs that were made now
        self._ended: SimpleQueue[tuple[Job, list[str], Outcome, float]] = SimpleQueue()

    def work(self) -> None:
        """Run all jobs that can be run. KeyboardInterrupt: end them, and begin none any more."""
        try:
            while self._begin() or self._running or self._again:
                try:
                    self._note(*self._ended.get_nowait())
                except Empty:
                    time.sleep(0.1)  # a wait without end would be deaf to signals
        except KeyboardInterrupt:
            self.launcher.stop()
            while any(thread.is_alive() for thread in self._running.values()):
                time.sleep(0.1)
            raise

    def waiting(self) -> list[Key]:
        """Jobs that were not run, because what they need failed."""
        return [key for key in self.jobs if key not in self.done and key not in self.failed]

    def _begin(self) -> int:
        """Begin the jobs that can be begun; return how many."""
        begun = 0
        for key in self.waiting():
            job = self.jobs[key]
            if key in self._running or not self.done.issuperset(job.needs):
                continue
            if time.monotonic() < self._again.get(key, 0):
                continue
            slots = self.launcher.choose(job, self._free)
            if slots is None:
                break
            for slot in slots:
                self._free.remove(slot)
            thread = threading.Thread(target=self._run, args=(job, slots), daemon=True)
            self._running[key] = thread
            thread.start()
            begun += 1
        return begun

    def _run(self, job: Job, slots: list[str]) -> None:
        """Run a job, in a thread of its own."""
        begin = time.monotonic()
        try:
            outcome: Outcome = self.launcher.run(job, slots)
        except Exception as error:  # in one job; the others go on
            outcome = error
        self._ended.put((job, slots, outcome, time.monotonic() - begin))

    def _note(self, job: Job, slots: list[str], outcome: Outcome, seconds: float) -> None:
        """Take note of a job that has ended."""
        del self._running[job.key]
        self._free += slots
        if isinstance(outcome, JobLockedError):
            if job.key not in self._again:
                self.show(f"{job}: runs in another process, or one that outlived it; waiting")
            self._again[job.key] = time.monotonic() + POLL_SECONDS
            return
        self._again.pop(job.key, None)
        if isinstance(outcome, Exception):
            self.failed[job.key] = str(outcome)
            text = f"FAILED: {outcome}"
        else:
            self.done.add(job.key)
            text, made = outcome
            if made:
                self._seconds.append(seconds)
                text += f", took {duration(seconds)}"
        self.show(f"[{len(self.done)}/{len(self.jobs)}] {job}: {text}{self._left()}")

    def _left(self) -> str:
        todo = len(self.jobs) - len(self.done) - len(self.failed)
        if not todo or not self._seconds:
            return ""
        mean = sum(self._seconds) / len(self._seconds)
        return f"; about {duration(todo * mean / len(self.launcher.slots))} left"
