"""``--gpus N``: a command in several processes, which end as one does."""

import subprocess
import sys

import pytest

from processes import environment

pytestmark = pytest.mark.slow


def daseg(*words) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "daseg", *map(str, words)]
    hidden = environment() | {"CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, env=hidden, capture_output=True, text=True)


def test_two_processes_train_and_test(tiny_config, tmp_path):
    config, out = tiny_config(), tmp_path / "run"
    done = daseg("train", config, "--work-dir", out, "--gpus", 2)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1].startswith("device      2 x cpu, ")
    assert "in each of 2 processes" in lines[6]
    assert sum(line.startswith("versions ") for line in lines) == 1
    (checkpoint,) = out.glob("iter_6.pth")
    done = daseg("test", config, checkpoint, "--gpus=2", "--out", tmp_path / "test")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("| mIoU ") == 1
    assert (tmp_path / "test/results.json").is_file()


def test_an_error_of_the_user_is_one_message(tiny_config, tmp_path):
    config = tiny_config("modle = dict(a=1)\n")
    done = daseg("train", config, "--work-dir", tmp_path / "run", "--gpus", "2")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    messages = {line for line in done.stderr.splitlines() if line.startswith("error: ")}
    assert len(messages) == 1
    assert "did you mean 'model'" in done.stderr
