"""Several processes train the network that one process would train on all their images."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.distributed import init_processes, synchronize_batch_norm
from daseg.engine.evaluate import evaluate
from daseg.engine.train import train
from daseg.utils.errors import ConfigError
from daseg.visualization import read_curve
from processes import KEEP_RANKS, environment, free_port, largest_difference, launch

ROOT = Path(__file__).parents[2]


def test_two_processes_equal_one_with_the_doubled_batch(small_config, tmp_path):
    config = small_config(KEEP_RANKS, norm="gn")
    env = environment(tmp_path, MASTER_PORT=str(free_port()))
    no_dropout = "model.segmentor.head.dropout=0.0"  # its random numbers are each process's own
    launch(
        "tools/dist_train.sh",
        config,
        2,
        "--work-dir",
        tmp_path / "two",
        "--cfg-options",
        no_dropout,
        env=env,
    )
    launch(
        sys.executable,
        "tools/train.py",
        config,
        "--work-dir",
        tmp_path / "one",
        "--cfg-options",
        no_dropout,
        "train_dataloader.batch_size=4",
        env=env,
    )
    ranks = [read_checkpoint(tmp_path / f"two/rank{r}.pth")["state_dict"] for r in (0, 1)]
    one = read_checkpoint(tmp_path / "one/rank0.pth")["state_dict"]
    assert largest_difference(*ranks) == 0
    assert largest_difference(ranks[0], one) < 1e-6
    early = read_checkpoint(tmp_path / "one/iter_3.pth")["state_dict"]
    assert largest_difference(early, one) > 1e-3, "nothing was trained"


@pytest.mark.slow
def test_with_batch_norm_all_processes_hold_what_the_checkpoint_holds(tiny_config, tmp_path):
    config = tiny_config(KEEP_RANKS)
    env = environment(tmp_path, MASTER_PORT=str(free_port()))
    out = tmp_path / "run"
    launch("tools/dist_train.sh", config, 2, "--work-dir", out, env=env)
    ranks = [read_checkpoint(out / f"rank{r}.pth")["state_dict"] for r in (0, 1)]
    saved = read_checkpoint(out / "iter_6.pth")["state_dict"]
    assert largest_difference(*ranks) == largest_difference(ranks[0], saved) == 0
    tested = evaluate(tiny_config(name="plain"), out / "iter_6.pth", out=tmp_path / "test")
    assert read_curve(out).miou[-1] == (6, pytest.approx(100 * tested.mIoU, abs=1e-6))


def test_batch_norm_with_more_in_it_is_not_synchronised(monkeypatch):
    class BatchNormAct(torch.nn.BatchNorm2d):
        """As timm's, which torch's conversion would strip of its activation."""

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    plain = synchronize_batch_norm(torch.nn.Sequential(torch.nn.BatchNorm2d(2)))
    assert isinstance(plain[0], torch.nn.SyncBatchNorm)
    with pytest.raises(ConfigError, match=r"sync_bn: 1 is a BatchNormAct"):
        synchronize_batch_norm(torch.nn.Sequential(torch.nn.ReLU(), BatchNormAct(2)))


@pytest.mark.slow
def test_the_metric_of_two_processes_equals_that_of_one(tiny_config, tmp_path):
    # 12 images in batches of 5 over 2 processes: uneven batches.
    config = tiny_config()
    train(config, work_dir=tmp_path / "run", cfg_options={"train_cfg.max_iters": 3})
    checkpoint = tmp_path / "run/iter_3.pth"
    env = environment(tmp_path, MASTER_PORT=str(free_port()))
    options = ("--cfg-options", "test_dataloader.dataset.num_samples=11")
    launch(
        "tools/dist_test.sh", config, checkpoint, 2, "--out", tmp_path / "two", *options, env=env
    )
    launch(
        sys.executable,
        "tools/test.py",
        config,
        checkpoint,
        "--out",
        tmp_path / "one",
        *options,
        env=env,
    )
    two, one = [(tmp_path / n / "results.json").read_text() for n in ("two", "one")]
    assert two == one


def test_launcher_without_its_variables_says_how_to_start(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=r"RANK, WORLD_SIZE.*tools/dist_train.sh CONFIG N"):
        init_processes("pytorch")


def test_more_processes_than_gpus_are_refused(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    message = r"2 processes .* which has 1 GPU: .*--gpus 1.*CUDA_VISIBLE_DEVICES=''"
    with pytest.raises(ConfigError, match=message):
        init_processes("pytorch")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are listed in /proc")
def test_a_finished_process_has_no_thread_of_its_group_left(tiny_config, tmp_path):
    """Else it is aborted now and then when it ends, and torchrun calls the run failed."""
    config = tiny_config(norm="gn")
    ends = tmp_path / "ends"
    ends.mkdir()
    script = (
        "import atexit, glob, os, pathlib\n"
        "names = lambda: [open(f).read() for f in glob.glob('/proc/self/task/*/comm')]\n"
        f"end = lambda: pathlib.Path({str(ends)!r}, str(os.getpid())).write_text(\n"
        "    str(any('gloo' in name for name in names())))\n"
        "'RANK' in os.environ and atexit.register(end)\n"  # what is registered first runs last
    )
    (tmp_path / "sitecustomize.py").write_text(script)
    env = environment(tmp_path, MASTER_PORT=str(free_port()))
    done = subprocess.run(
        ["tools/dist_train.sh", str(config), "2", "--work-dir", str(tmp_path / "run")],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert [path.read_text() for path in ends.iterdir()] == ["False", "False"]
