"""The progress line: what it says, and when."""

from types import SimpleNamespace

import pytest

from daseg.hooks import ProgressHook
from daseg.utils import progress


@pytest.fixture
def clock(monkeypatch):
    time = SimpleNamespace(now=100.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: time.now)
    return time


def test_says_pace_and_time_left(clock, capsys):
    hook = ProgressHook(interval=10)
    runner = SimpleNamespace(iter=7, val_dataloader=range(200), max_iters=500)
    hook.before_val_epoch(runner)
    clock.now += 9
    hook.after_val_iter(runner, 11)
    assert capsys.readouterr().err == ""
    clock.now += 3
    hook.after_val_iter(runner, 39)  # 40 batches in 12 s: 0.3 s each, 160 left: 48 s
    assert capsys.readouterr().err == "validating 40/200 20% 3.3/s, 48 s left\n"


def test_resumed_training_counts_its_own_iterations(clock, capsys, monkeypatch):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    hook = ProgressHook()
    runner = SimpleNamespace(iter=300, max_iters=500)
    hook.before_train(runner)
    clock.now += 20
    hook.after_train_iter(runner, 309)  # 10 iterations in 20 s
    assert "training 310/500 62% 2.00 s each, 6 min 20 s left" in capsys.readouterr().err


def test_a_log_file_has_the_training_in_its_log_already(clock, capsys):
    hook = ProgressHook(interval=1)
    runner = SimpleNamespace(iter=0, max_iters=500, val_dataloader=range(200))
    hook.before_train(runner)
    clock.now += 20
    hook.after_train_iter(runner, 9)
    hook.before_val_epoch(runner)
    hook.after_val_epoch(runner)
    clock.now += 20
    hook.after_train_iter(runner, 10)
    assert capsys.readouterr().err == ""
