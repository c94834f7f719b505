"""An adversarial run that is stopped and resumed is the run that was not, bit for bit."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.train import train
from runs import curve, same_run

ROOT = Path(__file__).parents[2]
LAST = 6


@pytest.mark.parametrize("workers", [0, 2])
def test_resumed_equals_uninterrupted(gan_config, tmp_path, workers):
    config = gan_config()
    options = {"train_dataloader.num_workers": workers, "default_hooks.checkpoint.interval": 2}
    train(config, work_dir=tmp_path / "whole", cfg_options=options)
    half = options | {"train_cfg.max_iters": 4, "param_scheduler.0.end": LAST}
    train(config, work_dir=tmp_path / "halves", cfg_options=half)
    if workers == 0:  # a checkpoint of before the adapter counted its steps
        old = read_checkpoint(tmp_path / "halves/iter_4.pth")
        assert int(old["state_dict"].pop("iteration")) == 4
        torch.save(old, tmp_path / "halves/iter_4.pth")
    train(config, work_dir=tmp_path / "halves", resume=True, cfg_options=options)
    checkpoint = same_run(tmp_path / "whole/iter_6.pth", tmp_path / "halves/iter_6.pth")

    # Nothing would be compared if it were not there, or did not move.
    early = read_checkpoint(tmp_path / "whole/iter_4.pth")
    for key, value in checkpoint["state_dict"].items():
        if value.is_floating_point() and not key.endswith((".mean", ".std")):
            assert not torch.equal(value, early["state_dict"][key]), key
    parts = {key.split(".")[0] for key in checkpoint["state_dict"]}
    assert parts == {"segmentor", "objectives", "teacher", "iteration"}
    assert int(checkpoint["state_dict"]["iteration"]) == LAST
    discriminators = checkpoint["optimizer"]["discriminators"]["state"]
    assert len(discriminators) == 6 + 10 + 6, "a weight and a bias for each convolution"
    assert int(discriminators[0]["step"]) == LAST
    assert "momentum_buffer" in checkpoint["optimizer"]["segmentor"]["state"][0]
    for schedulers in checkpoint["param_schedulers"].values():
        assert schedulers[0]["last_step"] == LAST
    # Both domains have the same images: the source's labels count as the target's here.
    counts = [c["message_hub"]["runtime_info"]["report_labels_opened"] for c in (early, checkpoint)]
    assert 0 < counts[0] < counts[1]


def test_the_loss_curve_goes_on(gan_config, tmp_path):
    config = gan_config()
    options = {"default_hooks.checkpoint.interval": 2}
    train(config, work_dir=tmp_path / "whole", cfg_options=options)
    (tmp_path / "resumed").mkdir()
    shutil.copy(tmp_path / "whole/iter_4.pth", tmp_path / "resumed")
    train(config, work_dir=tmp_path / "resumed", resume=True, cfg_options=options)
    whole = curve(tmp_path / "whole")
    assert [row["step"] for row in whole] == [2, 4, 6]
    assert {"loss_adv", "loss_disc_aux", "disc_acc_source_feat", "loss_memory"} <= whole[-1].keys()
    assert curve(tmp_path / "resumed") == whole[2:]


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_killed_and_resumed_equals_uninterrupted(gan_config, tmp_path, workers):
    config = gan_config()
    options = {"train_dataloader.num_workers": workers}
    train(config, work_dir=tmp_path / "whole", cfg_options=options)
    out = str(tmp_path / "killed")
    options_of_tool = [f"{key}={value}" for key, value in options.items()]
    dies = ["custom_hooks.2.type=Die", "custom_hooks.2.iteration=5"]
    command = [sys.executable, "tools/train.py", str(config), "--work-dir", out, "--cfg-options"]
    died = subprocess.run(
        [*command, *options_of_tool, *dies],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert died.returncode == -9, died.stderr[-3000:]
    assert [path.name for path in (tmp_path / "killed").glob("*.pth")] == ["iter_3.pth"]
    train(config, work_dir=tmp_path / "killed", resume=True, cfg_options=options)
    same_run(tmp_path / "whole/iter_6.pth", tmp_path / "killed/iter_6.pth")


def test_another_seed_is_another_run(gan_config, tmp_path):
    config = gan_config()
    short = {"train_cfg.max_iters": 2}
    train(config, work_dir=tmp_path / "a", cfg_options=short)
    train(config, work_dir=tmp_path / "b", cfg_options=short | {"randomness.seed": 4})
    with pytest.raises(AssertionError):
        same_run(tmp_path / "a/iter_2.pth", tmp_path / "b/iter_2.pth")
