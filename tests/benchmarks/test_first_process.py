"""What the first process does beside the steps, told from what the others do themselves."""

from types import SimpleNamespace

import pytest

from daseg.benchmarks import first_process
from daseg.benchmarks.first_process import Beside, summary


def process(monkeypatch, busy, *, images, log=0.0):
    """Eight steps of a second; a hook that takes as long as given, another of half of it."""
    monkeypatch.setattr(first_process, "LOGGED", 2)
    monkeypatch.setattr(first_process, "DRAWN", 4)
    hooks = dict(A=[(t, t + log) for t in busy], B=[(t / 2, t / 2) for t in busy])
    intervals = dict(logged=10, drawn=100, saved=1000)
    return dict(hooks=hooks, steps=[(1.0, 1.0)] * 8, images=images, intervals=intervals)


def test_the_others_wait_for_what_they_do_not_do_themselves(monkeypatch):
    # After the iterations 1..8: the first logs, as all do; 2, 6 are logged, 4 drawn, 8 saved.
    first = process(monkeypatch, [9.0, 0.2, 0.02, 0.4, 0.02, 0.2, 0.02, 0.8], images=2)
    other = process(monkeypatch, [9.0] + [0.02] * 7, images=3)
    found = summary([first, other])
    assert found["ms_step"] == 1000
    kinds = dict(ordinary=0, logged=270, drawn=570, saved=1170)
    for kind, milliseconds in kinds.items():
        assert found[f"ms_waited_{kind}"] == pytest.approx(milliseconds)
    share = 100 * (270 / 10 + 300 / 100 + 600 / 1000) / 1000
    assert found["percent_waited"] == pytest.approx(share)
    assert (found["images_validated_0"], found["images_validated_1"]) == (2, 3)


def test_where_processes_wait_in_a_hook_their_cpu_time_counts(monkeypatch):
    first = process(monkeypatch, [0.2] * 8, images=2)
    other = process(monkeypatch, [0.2] * 8, images=2, log=-0.2)  # it only waits in hook A
    assert summary([first, other])["ms_waited_ordinary"] == pytest.approx(200)


def test_hooks_steps_and_images_are_noted(monkeypatch):
    hook = SimpleNamespace(after_train_iter=lambda *args, **kwargs: None)
    model = SimpleNamespace(train_step=lambda data: "losses", val_step=lambda data: "maps")
    beside = Beside(SimpleNamespace(hooks=[hook], model=model))
    clock = iter([0.0, 2.0, 5.0, 5.5])
    monkeypatch.setattr(first_process.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(first_process.time, "thread_time", lambda: 1.0)
    assert model.train_step(None) == "losses"
    hook.after_train_iter(None)
    assert model.val_step(dict(image=[0, 0])) == model.val_step(dict(image=[0])) == "maps"
    assert beside.steps == [(2.0, 0.0)]
    assert beside.hooks == dict(SimpleNamespace=[(0.5, 0.0)])
    assert beside.images == 3
