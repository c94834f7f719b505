"""A run that is interrupted and resumed is the run that was not interrupted, bit for bit."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.train import train
from daseg.utils.errors import CheckpointError, ConfigError
from processes import environment
from runs import same_run

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("workers", [0, 2])
def test_resumed_equals_uninterrupted(small_config, tmp_path, workers):
    config = small_config()
    options = {"train_dataloader.num_workers": workers}
    train(config, work_dir=tmp_path / "whole", cfg_options=options)
    half = options | {"train_cfg.max_iters": 3, "param_scheduler.0.end": 6}
    train(config, work_dir=tmp_path / "halves", cfg_options=half)
    train(config, work_dir=tmp_path / "halves", resume=True, cfg_options=options)
    same_run(tmp_path / "whole/iter_6.pth", tmp_path / "halves/iter_6.pth")


def test_the_number_of_workers_changes_nothing(small_config, tmp_path):
    config = small_config()
    for workers in (0, 2):
        options = {"train_dataloader.num_workers": workers}
        train(config, work_dir=tmp_path / str(workers), cfg_options=options)
    same_run(tmp_path / "0/iter_6.pth", tmp_path / "2/iter_6.pth")


def test_another_seed_is_another_run(small_config, tmp_path):
    config = small_config()
    train(config, work_dir=tmp_path / "a", cfg_options={"train_cfg.max_iters": 3})
    options = {"train_cfg.max_iters": 3, "randomness.seed": 4}
    train(config, work_dir=tmp_path / "b", cfg_options=options)
    with pytest.raises(AssertionError):
        same_run(tmp_path / "a/iter_3.pth", tmp_path / "b/iter_3.pth")


def test_a_resume_in_the_same_second_writes_a_log_of_its_own(small_config, tmp_path):
    now = time.time()
    taken = [time.strftime("%Y%m%d_%H%M%S", time.localtime(now + later)) for later in range(4)]
    for name in taken:  # as if runs had begun in this second and the next ones
        (tmp_path / name).mkdir()
    train(small_config(), work_dir=tmp_path, cfg_options={"train_cfg.max_iters": 1})
    (log,) = tmp_path.glob("*/vis_data/scalars.json")
    assert log.parents[1].name not in taken


# Dies as by ``kill -9`` while the second checkpoint is written.
DIES = """
import os, signal
put = os.replace
def replace(temporary, path):
    if str(path).endswith('iter_6.pth'):
        os.kill(os.getpid(), signal.SIGKILL)
    put(temporary, path)
os.replace = replace
"""


def test_killed_and_resumed_equals_uninterrupted(small_config, tmp_path):
    config, out = small_config(), tmp_path / "killed"
    options = {"train_dataloader.num_workers": 2}
    (tmp_path / "dies.py").write_text(DIES)
    dying = small_config("custom_imports['imports'].append('dies')\n", name="dying")
    command = [sys.executable, "tools/train.py", str(dying), "--work-dir", str(out)]
    command += ["--cfg-options", "train_dataloader.num_workers=2"]
    env = environment(tmp_path)
    died = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr[-3000:]
    assert [path.name for path in out.glob("iter_*.pth")] == ["iter_3.pth"]
    assert len(list(out.glob(".iter_6.*.pth"))) == 1
    train(config, work_dir=out, resume=True, cfg_options=options)
    train(config, work_dir=tmp_path / "whole", cfg_options=options)
    same_run(tmp_path / "whole/iter_6.pth", out / "iter_6.pth")
    assert not list(out.glob(".iter_*"))


def test_resuming_with_another_seed_is_refused(small_config, tmp_path):
    config = small_config()
    train(config, work_dir=tmp_path / "run", cfg_options={"train_cfg.max_iters": 3})
    with pytest.raises(CheckpointError, match=r"seed=3, this run has 4"):
        train(config, work_dir=tmp_path / "run", resume=True, cfg_options={"randomness.seed": 4})


def test_resuming_with_another_batch_size_is_refused(small_config, tmp_path):
    config = small_config()
    train(config, work_dir=tmp_path / "run", cfg_options={"train_cfg.max_iters": 1})
    options = {"train_dataloader.batch_size": 4}
    with pytest.raises(CheckpointError, match=r"batch_size=2, this run has 4"):
        train(config, work_dir=tmp_path / "run", resume=True, cfg_options=options)


def test_resuming_with_other_settings_is_said(small_config, tmp_path):
    config = small_config()
    train(config, work_dir=tmp_path / "run", cfg_options={"train_cfg.max_iters": 1})
    options = {"train_cfg.max_iters": 2, "optim_wrapper.segmentor.optimizer.lr": 0.5}
    options["param_scheduler.0.end"] = 1  # as in the first run
    train(config, work_dir=tmp_path / "run", resume=True, cfg_options=options)
    log = "".join(p.read_text() for p in (tmp_path / "run").glob("*/*.log"))
    assert "resuming with another optim_wrapper than" in log


def test_a_work_dir_with_a_run_is_not_overwritten(small_config, tmp_path):
    config = small_config()
    train(config, work_dir=tmp_path / "run", cfg_options={"train_cfg.max_iters": 3})
    with pytest.raises(ConfigError, match=r"holds a run already \(iter_3.pth\).*--resume"):
        train(config, work_dir=tmp_path / "run")


def test_weights_alone_cannot_be_resumed(small_config, tmp_path):
    config = small_config()
    train(config, work_dir=tmp_path / "run", cfg_options={"train_cfg.max_iters": 3})
    path = tmp_path / "run/iter_3.pth"
    torch.save({"state_dict": read_checkpoint(path)["state_dict"]}, path)
    with pytest.raises(CheckpointError, match="holds weights only and cannot be resumed"):
        train(config, work_dir=tmp_path / "run", resume=True)
