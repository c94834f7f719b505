"""A signal ends a round of pseudo-labels early; the resumed run goes on in the midst of it."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from mmengine.hooks import Hook

from daseg.engine.checkpoint import latest_checkpoint
from daseg.engine.train import train
from daseg.offline.pseudo_labels.labelling import Labelling
from daseg.registry import HOOKS
from daseg.utils.signals import Stopped
from processes import environment, free_port
from runs import label_files, report_of, same_run

ROOT = Path(__file__).parents[2]
SELDOM = {"default_hooks.checkpoint.interval": 100}
# In another process: the second of two gets a signal when it has written some labels.
SIGNAL = """
import os, signal
from daseg.offline.pseudo_labels.labelling import Labelling
write, written = Labelling.write, []

def write_and_signal(job, *args):
    written.append(write(job, *args))
    if len(written) == 8 and os.environ['RANK'] == '1' and 'STOP' in os.environ:
        os.kill(os.getpid(), signal.SIGTERM)
    return written[-1]

Labelling.write = write_and_signal
"""


@HOOKS.register_module(force=True)
class SignalAtIteration(Hook):
    """Send this process SIGTERM in an iteration."""

    def __init__(self, at):
        self.at = at

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if batch_idx == self.at:
            os.kill(os.getpid(), signal.SIGTERM)


def test_what_was_opened_is_counted_once(online, tmp_path):
    hook, run = "iterations=[2]", tmp_path / "run"
    signalling = "custom_hooks.append(dict(type='SignalAtIteration', at=3))\n"
    with pytest.raises(Stopped):
        train(online(hook, signalling, name="signal"), work_dir=run, cfg_options=SELDOM)
    train(online(hook), work_dir=run, resume=True, cfg_options=SELDOM)
    assert report_of(run)["target_pseudo_labels_opened"] == 8, "four iterations of two images"


def test_what_is_labelled_by_then_stays(online, monkeypatch, tmp_path):
    config, out = online("iterations=[2, 4], keep=-1"), tmp_path / "run"
    write, written = Labelling.write, []

    def write_and_signal(job, item, *arrays):
        written.append(item.index)
        if len(written) == 12 + 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return write(job, item, *arrays)

    monkeypatch.setattr(Labelling, "write", write_and_signal)
    with pytest.raises(Stopped):
        train(config, work_dir=out, cfg_options=SELDOM)
    assert latest_checkpoint(out).name == "iter_4.pth", "of the train steps before the round"
    begun = len(written)
    assert 12 + 4 <= begun < 24
    train(config, work_dir=out, resume=True, cfg_options=SELDOM)
    assert len(written) == 24, "no label is made twice"
    train(config, work_dir=tmp_path / "whole", cfg_options=SELDOM)
    same_run(tmp_path / "whole/iter_6.pth", out / "iter_6.pth")
    made = [run / "pseudo_labels/iter_4" for run in (tmp_path / "whole", out)]
    assert label_files(made[0]) == label_files(made[1])


@pytest.mark.slow
def test_two_processes_end_it_together(online, tmp_path):
    (tmp_path / "signalling.py").write_text(SIGNAL)
    more = "custom_imports['imports'].append('signalling')\n"
    config = online("iterations=[2, 4], keep=-1", more)
    env = environment(tmp_path, MASTER_PORT=str(free_port()))

    def status_of(name: str, *options: str, **extra: str) -> int:
        command = ["tools/dist_train.sh", str(config), "2", "--work-dir", str(tmp_path / name)]
        command += [*options, "--cfg-options", "default_hooks.checkpoint.interval=100"]
        return subprocess.run(command, cwd=ROOT, env=env | extra).returncode

    assert status_of("run", STOP="yes") == 143
    assert latest_checkpoint(tmp_path / "run").name == "iter_4.pth"
    assert status_of("run", "--resume") == 0
    assert status_of("whole") == 0
    same_run(tmp_path / "whole/iter_6.pth", tmp_path / "run/iter_6.pth")
    made = [tmp_path / run / "pseudo_labels/iter_4" for run in ("whole", "run")]
    assert label_files(made[0]) == label_files(made[1])
