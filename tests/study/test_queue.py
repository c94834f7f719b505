"""The queue of a study: order, several at a time, failures, other processes, Ctrl-C."""

import os
import signal
import threading
import time
from dataclasses import dataclass

import pytest

from daseg.study.queue import Elsewhere, Queue


@dataclass(frozen=True)
class FakeJob:
    """What the queue knows of a job."""

    key: tuple[str, int]
    needs: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        return self.key[0]


def jobs(**needs: str) -> dict:
    """Jobs by name, each with the names of what it needs."""
    made = [FakeJob((n, 1), tuple((each, 1) for each in of.split())) for n, of in needs.items()]
    return {job.key: job for job in made}


def queue(all_jobs, run, slots=2, stop=lambda: None) -> tuple[Queue, list[str]]:
    lines: list[str] = []
    return Queue(all_jobs, run, slots, stop=stop, show=lines.append), lines


def test_nothing_begins_before_what_it_needs_is_done():
    begun, ended, most = [], [], []

    def run(job, slot):
        begun.append(job.key)
        assert set(job.needs) <= set(ended)
        most.append(len(begun) - len(ended))
        time.sleep(0.02)
        ended.append(job.key)
        return f"made on {slot}", True

    work, lines = queue(jobs(a="", b="a", c="a", d="b c", e=""), run)
    work.work()
    assert sorted(ended) == sorted(work.jobs) == sorted(work.done)
    assert max(most) == 2, "two at a time"
    assert ended.index(("d", 1)) == 4
    assert lines[-1].startswith("[5/5] d: made on ")
    assert "left" in lines[0]
    assert "left" not in lines[-1]


def test_what_needs_a_failed_job_is_not_run_and_the_others_are():
    ran = []

    def run(job, slot):
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


def test_a_job_of_another_process_is_asked_for_again(monkeypatch):
    monkeypatch.setattr("daseg.study.queue.POLL_SECONDS", 0.05)
    asked = []

    def run(job, slot):
        asked.append(job.key[0])
        if asked.count("a") < 3 and job.key[0] == "a":
            raise Elsewhere
        return "made", True

    work, lines = queue(jobs(a="", b="", c="a"), run, slots=1)
    work.work()
    assert asked == ["a", "b", "a", "a", "c"], "what can be done meanwhile is"
    assert sum("another process" in line for line in lines) == 1, "said once"


def test_what_was_there_already_says_nothing_of_the_time_left():
    work, lines = queue(jobs(a="", b=""), lambda job, slot: ("there", False), slots=1)
    work.work()
    assert lines == ["[1/2] a: there", "[2/2] b: there"]


def test_ctrl_c_stops_what_runs_and_begins_nothing():
    stop, begun = threading.Event(), []

    def run(job, slot):
        begun.append(job.key[0])
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(10), "what runs is asked to stop"
        raise RuntimeError("stopped")

    work, lines = queue(jobs(a="", b=""), run, slots=1, stop=stop.set)
    with pytest.raises(KeyboardInterrupt):
        work.work()
    assert begun == ["a"]
    assert lines == []
