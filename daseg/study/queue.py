"""Run jobs that need each other, several at a time, one on a device."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from daseg.study.jobs import Job, Key
from daseg.utils.progress import duration

POLL_SECONDS = 5.0  # until a job that another process runs is asked for again


class Elsewhere(Exception):
    """Another process is running this job."""


@dataclass
class Queue:
    """Jobs, and how far they are.

    Args:
        jobs: All jobs, each behind those that it needs.
        run: Runs a job on the device of that number; returns a few words about what came out, and
            whether it was made now. Raises `Elsewhere`, or what went wrong.
        slots: Number of jobs at a time.
        stop: Ends what is running.
        show: Where a line about the progress goes.
    """

    jobs: Mapping[Key, Job]
    run: Callable[[Job, int], tuple[str, bool]]
    slots: int
    stop: Callable[[], None]
    show: Callable[[str], None] = print
    done: set[Key] = field(default_factory=set)
    failed: dict[Key, str] = field(default_factory=dict)
    running: set[Key] = field(default_factory=set)
    stopped: bool = False

    def __post_init__(self) -> None:
        self._change = threading.Condition()
        self._again: dict[Key, float] = {}  # when to ask again for what runs elsewhere
        self._seconds: list[float] = []  # of the jobs that were made now
        self._serving = 0  # threads

    def work(self) -> None:
        """Run all jobs that can be run. KeyboardInterrupt: none is begun any more."""
        try:
            for slot in range(self.slots):
                with self._change:
                    self._serving += 1
                threading.Thread(target=self._serve, args=(slot,), daemon=True).start()
            self._wait()
        except KeyboardInterrupt:
            self.stopped = True
            self.stop()
            self._wait()
            raise

    def _wait(self) -> None:
        while self._serving:  # a join that Ctrl-C interrupts leaves a thread's lock in disorder
            time.sleep(0.1)

    def waiting(self) -> list[Key]:
        """Jobs that were not run, because what they need failed."""
        return [key for key in self.jobs if key not in self.done and key not in self.failed]

    def _serve(self, slot: int) -> None:
        try:
            self._run_all(slot)
        finally:
            with self._change:
                self._serving -= 1

    def _run_all(self, slot: int) -> None:
        while (job := self._next()) is not None:
            begin = time.monotonic()
            try:
                said, made = self.run(job, slot)
            except Elsewhere:
                self._leave(job, until=time.monotonic() + POLL_SECONDS)
            except Exception as error:  # of one job; the others go on
                self._end(job, f"FAILED: {error}", failed=str(error))
            else:
                seconds = time.monotonic() - begin
                if made:
                    self._seconds.append(seconds)
                    said += f", took {duration(seconds)}"
                self._end(job, said)

    def _next(self) -> Job | None:
        """The next job that can be run; waits for one. None: there will be none."""
        with self._change:
            while not self.stopped:
                ready = [job for key, job in self.jobs.items() if self._is_ready(key, job)]
                if ready:
                    self.running.add(ready[0].key)
                    return ready[0]
                if not self.running and not self._again:
                    return None
                self._change.wait(0.2)
        return None

    def _is_ready(self, key: Key, job: Job) -> bool:
        if key in self.done or key in self.failed or key in self.running:
            return False
        return time.monotonic() >= self._again.get(key, 0) and self.done.issuperset(job.needs)

    def _leave(self, job: Job, until: float) -> None:
        with self._change:
            if job.key not in self._again:
                self.show(f"{job}: runs in another process, or one that outlived it; waiting")
            self.running.remove(job.key)
            self._again[job.key] = until

    def _end(self, job: Job, said: str, failed: str | None = None) -> None:
        with self._change:
            self.running.remove(job.key)
            self._again.pop(job.key, None)
            if failed is None:
                self.done.add(job.key)
            else:
                self.failed[job.key] = failed
            if not self.stopped:
                self.show(f"[{len(self.done)}/{len(self.jobs)}] {job}: {said}{self._left()}")
            self._change.notify_all()

    def _left(self) -> str:
        todo = len(self.jobs) - len(self.done) - len(self.failed)
        if not todo or not self._seconds:
            return ""
        mean = sum(self._seconds) / len(self._seconds)
        return f"; about {duration(todo * mean / self.slots)} left"
