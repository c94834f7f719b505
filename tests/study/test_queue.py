"""The queue of a study: order, several at a time, failures, other processes, Ctrl-C."""

import os
import signal
import threading
import time
from dataclasses import dataclass

import pytest

from daseg.study import Launcher
from daseg.study.making import JobLockedError
from daseg.study.queue import Queue


@dataclass(frozen=True)
class FakeJob:
    """What the queue and the launcher below know of a job."""

    key: tuple[str, int]
    needs: tuple[tuple[str, int], ...] = ()
    devices: int = 1

    def __str__(self) -> str:
        return self.key[0]


class Fake(Launcher):
    """Runs a function for each job, which takes as many slots as it has devices."""

    def __init__(self, function, slots=2, stop=lambda: None):
        self.function, self.stopped = function, stop
        self.slots = [f"slot {number}" for number in range(slots)]

    def choose(self, job, free):
        return list(free[: job.devices]) if len(free) >= job.devices else None

    def run(self, job, slots):
        return self.function(job, slots)

    def stop(self):
        self.stopped()


def jobs(devices: dict[str, int] | None = None, **needs: str) -> dict:
    """Jobs by name, each with the names of what it needs."""
    devices = devices or {}
    made = [
        FakeJob((name, 1), tuple((each, 1) for each in of.split()), devices.get(name, 1))
        for name, of in needs.items()
    ]
    return {job.key: job for job in made}


def queue(all_jobs, run, slots=2, stop=lambda: None) -> tuple[Queue, list[str]]:
    lines: list[str] = []
    return Queue(all_jobs, Fake(run, slots, stop), show=lines.append), lines


def test_nothing_begins_before_what_it_needs_is_done():
    begun, ended, most = [], [], []

    def run(job, slots):
        begun.append(job.key)
        assert set(job.needs) <= set(ended)
        most.append(len(begun) - len(ended))
        time.sleep(0.02)
        ended.append(job.key)
        return f"made on {slots}", True

    work, lines = queue(jobs(a="", b="a", c="a", d="b c", e=""), run)
    work.work()
    assert sorted(ended) == sorted(work.jobs) == sorted(work.done)
    assert max(most) == 2, "two at a time"
    assert ended.index(("d", 1)) == 4
    assert lines[-1].startswith("[5/5] d: made on ")
    assert "left" in lines[0]
    assert "left" not in lines[-1]


def test_a_job_that_takes_all_slots_is_not_overtaken():
    alone, running = [], set()

    def run(job, slots):
        running.add(job.key[0])
        time.sleep(0.02)
        alone.append((job.key[0], len(slots), sorted(running)))
        running.remove(job.key[0])
        return "made", True

    work, _ = queue(jobs({"b": 2}, a="", b="", c="", d=""), run)
    work.work()
    assert [name for name, *_ in alone][:2] == ["a", "b"]
    assert alone[1] == ("b", 2, ["b"]), "nothing else runs"
    assert len(alone) == 4


def test_what_needs_a_failed_job_is_not_run_and_the_others_are():
    ran = []

    def run(job, slots):
        ran.append(job.key[0])
        if job.key[0] == "a":
            raise RuntimeError("no room")
        return "made", True

    work, lines = queue(jobs(a="", b="a", c="b", d=""), run, slots=1)
    work.work()
    assert ran == ["a", "d"]
    assert work.failed == {("a", 1): "no room"}
    assert work.waiting() == [("b", 1), ("c", 1)]
    assert any("a: FAILED: no room" in line for line in lines)


def test_a_job_of_another_process_is_tried_again(monkeypatch):
    monkeypatch.setattr("daseg.study.queue.POLL_SECONDS", 0.05)
    tried = []

    def run(job, slots):
        tried.append(job.key[0])
        if tried.count("a") < 3 and job.key[0] == "a":
            raise JobLockedError
        return "made", True

    work, lines = queue(jobs(a="", b="", c="a"), run, slots=1)
    work.work()
    assert tried == ["a", "b", "a", "a", "c"], "what can be done meanwhile is"
    assert sum("another process" in line for line in lines) == 1, "said once"


def test_what_was_there_already_says_nothing_of_the_time_left():
    work, lines = queue(jobs(a="", b=""), lambda job, slots: ("there", False), slots=1)
    work.work()
    assert lines == ["[1/2] a: there", "[2/2] b: there"]


def test_ctrl_c_stops_what_runs_and_begins_nothing():
    stop, begun = threading.Event(), []

    def run(job, slots):
        begun.append(job.key[0])
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(10), "what runs is asked to stop"
        raise RuntimeError("stopped")

    work, lines = queue(jobs(a="", b=""), run, slots=1, stop=stop.set)
    with pytest.raises(KeyboardInterrupt):
        work.work()
    assert begun == ["a"]
    assert lines == []
