"""A loss that is not a number in one process stops all of them, with one message."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from processes import free_port

ROOT = Path(__file__).parents[2]
SELDOM = """
train_cfg['max_iters'] = 9
default_hooks['logger']['interval'] = default_hooks['checkpoint']['interval'] = 4
custom_hooks = [dict(type='Poison', iteration=6)]
"""


@pytest.mark.slow
def test_all_processes_stop_where_one_loss_is_not_finite(gan_config, tmp_path):
    config, out = gan_config(SELDOM), tmp_path / "run"
    port = free_port()
    env = os.environ | dict(WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    # Without torchrun, which ends the others itself as soon as it has seen one end.
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "tools/train.py", str(config), "--work-dir", str(out)),
                *("--launcher", "pytorch"),
            ],
            cwd=ROOT,
            env=env | dict(RANK=str(rank), LOCAL_RANK=str(rank)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        ends = [process.communicate(timeout=600)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [2, 2], ends
    messages = [[line for line in end.splitlines() if line.startswith("error:")] for end in ends]
    assert messages[0] == messages[1]
    (message,) = messages[0]
    assert message.startswith("error: iteration 6: a loss is not finite in process 1 (loss_seg=nan")
    # It was noticed where the losses were to be logged, before the checkpoint.
    assert [path.name for path in out.glob("*.pth")] == ["iter_4.pth"]
