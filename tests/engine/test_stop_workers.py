"""Signals to a whole group of processes, and what becomes of loader workers and of the lock."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from daseg.engine.checkpoint import latest_checkpoint
from daseg.engine.train import train
from daseg.utils.lock import locked
from processes import ROOT, environment
from runs import same_run

WORKERS = {"train_dataloader.num_workers": 2, "train_dataloader.persistent_workers": True}
LONG = "train_cfg.update(max_iters=10000)\nparam_scheduler[0].update(end=10000)\n"
SHORT = "train_cfg.update(max_iters={})\nparam_scheduler[0].update(end=10000)\n"


def start(config: Path, out: Path, log: Path) -> subprocess.Popen:
    options = [f"{key}={value}" for key, value in WORKERS.items()]
    command = [sys.executable, "tools/train.py", str(config), "--work-dir", str(out)]
    with log.open("w") as file:
        training = subprocess.Popen(
            [*command, "--cfg-options", *options, "default_hooks.checkpoint.interval=2"],
            cwd=ROOT,
            env=environment(),
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    while latest_checkpoint(out) is None:
        assert training.poll() is None, log.read_text()
        time.sleep(0.02)
    return training


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat") if path.exists()]
    rows = [(int(s.split()[0]), s.rpartition(")")[2].split()) for s in stats]
    return [child for child, fields in rows if int(fields[1]) == pid]


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_the_whole_group_gets_the_signal(tiny_config, tmp_path, number):
    """As from a terminal or a scheduler: the workers leave it to their parent."""
    out, log = tmp_path / "run", tmp_path / "log"
    training = start(tiny_config(LONG), out, log)
    os.killpg(training.pid, number)
    assert training.wait(timeout=600) == 128 + number, log.read_text()[-3000:]
    said = log.read_text()
    done = int(latest_checkpoint(out).stem.removeprefix("iter_"))
    assert said.count(f"after iteration {done}: iter_{done}.pth is saved, --resume goes on") == 1
    assert "Traceback" not in said
    short = tiny_config(SHORT.format(done + 1), name="short")
    train(short, work_dir=out, resume=True)
    if number == signal.SIGINT:
        train(short, work_dir=tmp_path / "whole")
        same_run(tmp_path / f"whole/iter_{done + 1}.pth", out / f"iter_{done + 1}.pth")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are listed in /proc")
def test_killed_it_leaves_no_lock_and_no_worker(tiny_config, tmp_path):
    out = tmp_path / "run"
    training = start(tiny_config(LONG), out, tmp_path / "log")
    workers = children(training.pid)
    assert len(workers) >= 2
    training.kill()
    training.wait()
    with locked(out):
        pass
    deadline = time.monotonic() + 15
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.1)
