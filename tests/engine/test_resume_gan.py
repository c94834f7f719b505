"""An adversarial training that was interrupted ends as one that was not, bit for bit."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.train import train

ROOT = Path(__file__).parents[2]
TEACHER = "model.update(teacher_momentum=0.1)\n"


def same(a, b) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


def assert_same_run(one: Path, other: Path) -> None:
    a, b = read_checkpoint(one), read_checkpoint(other)
    assert a["meta"]["iter"] == b["meta"]["iter"]
    for key in ("state_dict", "optimizer", "param_schedulers"):
        assert same(a[key], b[key]), key
    assert set(a["optimizer"]) == {"segmentor", "discriminators"}
    assert any(key.startswith("teacher.") for key in a["state_dict"])
    assert any("discriminator" in key for key in a["state_dict"])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_run_equals_an_uninterrupted_one(gan_config, tmp_path, workers):
    config = gan_config(TEACHER, dropout=0.1)  # dropout draws random numbers in the step
    options = {"train_dataloader.num_workers": workers}
    train(config, work_dir=tmp_path / "whole", cfg_options=options)
    train(config, work_dir=tmp_path / "parts", cfg_options=options)
    (tmp_path / "parts/iter_6.pth").unlink()
    (tmp_path / "parts/last_checkpoint").write_text(str(tmp_path / "parts/iter_3.pth"))
    train(config, work_dir=tmp_path / "parts", resume=True, cfg_options=options)
    assert_same_run(tmp_path / "whole/iter_6.pth", tmp_path / "parts/iter_6.pth")


def command(config: Path, out: Path, processes: int) -> list[str]:
    if processes == 1:
        return [sys.executable, "tools/train.py", str(config), "--work-dir", str(out), "--resume"]
    return ["tools/dist_train.sh", str(config), "2", "--work-dir", str(out), "--resume"]


def environment() -> dict[str, str]:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = str(s.getsockname()[1])
    return os.environ | dict(
        PYTHON=sys.executable, PYTHONPATH=str(ROOT), MASTER_PORT=port, OMP_NUM_THREADS="1"
    )


@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_run_equals_an_uninterrupted_one(gan_config, tmp_path, processes):
    config = gan_config(TEACHER + "train_cfg.update(max_iters=30)\n", dropout=0.1)
    out = tmp_path / "killed"
    with open(tmp_path / "log", "w") as log:
        run = subprocess.Popen(
            command(config, out, processes),
            cwd=ROOT,
            env=environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        deadline = time.monotonic() + 240
        while not (out / "iter_6.pth").exists():
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()[-2000:]
            assert run.poll() is None, (tmp_path / "log").read_text()[-2000:]
            time.sleep(0.01)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    assert not (out / "iter_30.pth").exists(), "it was killed too late"
    for folder in (out, tmp_path / "whole"):
        done = subprocess.run(
            command(config, folder, processes),
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert_same_run(out / "iter_30.pth", tmp_path / "whole/iter_30.pth")
