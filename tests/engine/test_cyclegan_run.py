"""A CycleGAN's training through the runner: resumed, on two processes, and what it leaves."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from daseg.config.load import load_config
from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.evaluate import evaluate
from daseg.engine.train import train
from daseg.utils.errors import CheckpointError, ConfigError
from processes import KEEP_RANKS, environment, free_port, largest_difference, launch
from runs import same_run

ROOT = Path(__file__).parents[2]
LAST = 6
CYCLEGAN = """
generator = dict(type='ResNetGenerator', channels=4, blocks=1)
discriminator = dict(type='PatchGANDiscriminator', channels=4)
model = dict(
    type='CycleGAN', source_to_target=generator, target_to_source=generator,
    disc_source=discriminator, disc_target=discriminator, pool_size=2)
pipeline = [
    dict(type='LoadImageFromFile'), dict(type='RandomCrop', crop_size=(32, 28)),
    dict(type='RandomFlip', prob=0.5), dict(type='PackSample')]
data.pop('label_dir')
train_dataloader.update(batch_size=1, sampler=dict(type='PairSampler'), dataset=dict(
    type='DomainPair',
    source=dict(data, labels=False, num_samples=5, pipeline=pipeline),
    target=dict(data, labels=False, pipeline=pipeline)))
for name in ('val_dataloader', 'test_dataloader', 'val_evaluator', 'test_evaluator', 'val_cfg',
             'test_cfg', 'tta'):
    del globals()[name]
adam = dict(optimizer=dict(type='Adam', lr=1e-3, betas=(0.5, 0.999)))
optim_wrapper = dict(constructor='OptimizersByNetwork', generators=adam, discriminators=adam)
param_scheduler = [dict(type='LinearRamp', start_factor=1.0, end_factor=0.0, begin=3, end=6)]
custom_hooks = [
    dict(type='RecordDataHook'), dict(type='ReportHook'),
    dict(type='TranslationPicturesHook', interval=4, images=2, shown=2)]
"""
# Biases in front of a norm have a gradient that is rounding, which Adam would make steps of; and
# hotter steps would amplify the last bit of a sum, from five steps on, to a visible difference.
CALM = """
for name, rate in dict(generators=1e-5, discriminators=3e-4).items():
    optim_wrapper[name] = dict(optimizer=dict(type='SGD', lr=rate, momentum=0.9))
"""


@pytest.fixture
def config(tiny_config):
    def write(extra: str = "", name: str = "cyclegan") -> Path:
        return tiny_config(CYCLEGAN + extra, name=name)

    return write


@pytest.mark.parametrize("workers", [0, 1])
def test_resumed_equals_uninterrupted(config, tmp_path, workers):
    path = config()
    options = {"train_dataloader.num_workers": workers, "default_hooks.checkpoint.interval": 2}
    train(path, work_dir=tmp_path / "whole", cfg_options=options)
    half = options | {"train_cfg.max_iters": 4}
    train(path, work_dir=tmp_path / "halves", cfg_options=half)
    train(path, work_dir=tmp_path / "halves", resume=True, cfg_options=options)
    checkpoint = same_run(tmp_path / "whole/iter_6.pth", tmp_path / "halves/iter_6.pth")

    early = read_checkpoint(tmp_path / "whole/iter_2.pth")["state_dict"]
    state = checkpoint["state_dict"]
    for key, value in state.items():
        if key.endswith("weight"):
            assert not torch.equal(value, early[key]), key
    assert {key.split(".")[0] for key in state} == {
        "source_to_target", "target_to_source", "disc_source", "disc_target", "pools",
    }  # fmt: skip
    pools = [f"pools.{domain}.images" for domain in ("source", "target")]
    assert [state[pool].shape for pool in pools] == [(2, 3, 32, 28)] * 2
    assert any(not torch.equal(state[k], early[k]) for k in pools), "nothing was exchanged"
    assert set(checkpoint["optimizer"]) == {"generators", "discriminators"}
    rates = [group["lr"] for group in checkpoint["optimizer"]["generators"]["param_groups"]]
    assert rates == [0.0]
    assert checkpoint["meta"]["initial_weights"] == "random weights"


def test_it_goes_on_where_the_pool_is_not_yet_full(config, tmp_path):
    path, options = config(), {"default_hooks.checkpoint.interval": 2, "model.pool_size": 5}
    train(path, work_dir=tmp_path / "whole", cfg_options=options)
    (tmp_path / "resumed").mkdir()
    shutil.copy(tmp_path / "whole/iter_2.pth", tmp_path / "resumed")
    images = read_checkpoint(tmp_path / "whole/iter_2.pth")["state_dict"]["pools.source.images"]
    assert len(images) == 2
    train(path, work_dir=tmp_path / "resumed", resume=True, cfg_options=options)
    same_run(tmp_path / "whole/iter_6.pth", tmp_path / "resumed/iter_6.pth")


def test_what_a_run_leaves_behind(config, tmp_path):
    """Without a validation: a report, pictures of the translations, and how much comes back."""
    runner = train(config(), work_dir=tmp_path / "run")
    assert runner.iter == LAST
    report = (tmp_path / "run/report.txt").read_text()
    assert "target train labels opened: 0" in report
    assert "last validation mIoU: none" in report
    assert (tmp_path / "run/train_images_source.txt").read_text().count("\n") >= 5
    pictures = sorted(p.name for p in (tmp_path / "run/pictures").iterdir())
    assert pictures == ["iter_4.png", "iter_6.png"]
    with Image.open(tmp_path / "run/pictures/iter_6.png") as picture:
        assert picture.width > 1000
    rows = [
        json.loads(line)
        for file in (tmp_path / "run").glob("*/vis_data/scalars.json")
        for line in file.read_text().splitlines()
    ]
    measured = [row for row in rows if "psnr_cycle_source" in row]
    assert [row["step"] for row in measured] == [4, 6]
    assert all(3 < row["psnr_cycle_target"] < 40 for row in measured)
    losses = next(row for row in rows if "loss_cycle_source" in row)
    assert {"loss_gan_target", "loss_idt_source", "loss_disc_target"} <= losses.keys()
    (log,) = (tmp_path / "run").glob("*/*.log")
    last = r"iteration 6: fixed images there and back: source [\d.]+ dB, target [\d.]+ dB"
    assert len(re.findall(last, log.read_text())) == 1


def test_training_starts_from_all_networks_of_another_run(config, tmp_path):
    path = config()
    train(path, work_dir=tmp_path / "first")
    first = tmp_path / "first/iter_6.pth"
    still = {
        "load_from": str(first),
        "train_cfg.max_iters": 1,
        "optim_wrapper.generators.optimizer.lr": 0.0,
        "optim_wrapper.discriminators.optimizer.lr": 0.0,
    }
    runner = train(path, work_dir=tmp_path / "second", cfg_options=still)
    start, state = read_checkpoint(first)["state_dict"], runner.model.state_dict()
    for key, value in start.items():
        if not key.startswith("pools"):
            assert torch.equal(state[key], value), key
    assert len(state["pools.source.images"]) == 1, "a pool is of one training"
    meta = read_checkpoint(tmp_path / "second/iter_1.pth")["meta"]
    assert meta["initial_weights"].startswith("iter_6.pth sha256:")
    narrow = still | {"model.disc_target.channels": 8}
    with pytest.raises(CheckpointError, match=r"iter_6\.pth does not fit the model, .*disc_target"):
        train(path, work_dir=tmp_path / "third", cfg_options=narrow)


def test_in_bfloat16(config, tmp_path):
    runner = train(config(), work_dir=tmp_path / "run", amp=True)
    assert runner.iter == LAST
    assert all(v.dtype == torch.float32 for v in runner.model.state_dict().values())


def states(folder: Path, ranks: int) -> list[dict]:
    return [read_checkpoint(folder / f"rank{r}.pth")["state_dict"] for r in range(ranks)]


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["model.micro_batch=1"]], ids=["whole", "accumulated"])
def test_two_processes_equal_one_with_the_doubled_batch(config, tmp_path, options):
    """Of two images a process; the pool included, which every process holds alike."""
    path = config(CALM + KEEP_RANKS)
    length = ["train_cfg.max_iters=8", *options]
    env = environment(tmp_path, MASTER_PORT=str(free_port()))
    two = ("tools/dist_train.sh", path, 2, "--work-dir", tmp_path / "two", "--cfg-options")
    launch(*two, *length, "train_dataloader.batch_size=2", env=env)
    one = (sys.executable, "tools/train.py", path, "--work-dir", tmp_path / "one", "--cfg-options")
    alone = [*length, "train_dataloader.batch_size=4"]
    launch(*one, *alone, env=env)
    ranks, (whole,) = states(tmp_path / "two", 2), states(tmp_path / "one", 1)
    early = read_checkpoint(tmp_path / "one/iter_3.pth")["state_dict"]
    for name in ("source_to_target", "target_to_source", "disc_source", "disc_target"):
        moved = [float((whole[k] - early[k]).abs().max()) for k in whole if k.startswith(name)]
        assert max(moved) > 1e-4, f"{name} was not trained"
    assert largest_difference(*ranks) == 0
    pooled = [{k: s.pop(k) for k in list(s) if k.startswith("pools")} for s in (ranks[0], whole)]
    assert largest_difference(ranks[0], whole) < 1e-6
    assert largest_difference(*pooled) < 1e-5  # of other images it would be about 1


@pytest.mark.slow
def test_two_processes_resume_from_the_first_ones_checkpoint(config, tmp_path):
    path = config(KEEP_RANKS)
    env = environment(tmp_path, MASTER_PORT=str(free_port()))

    def start(out: Path, *arguments: str) -> None:
        launch("tools/dist_train.sh", path, 2, "--work-dir", out, *arguments, env=env)

    start(tmp_path / "whole")
    (tmp_path / "resumed").mkdir()
    shutil.copy(tmp_path / "whole/iter_3.pth", tmp_path / "resumed")
    start(tmp_path / "resumed", "--resume")
    same_run(tmp_path / "whole/iter_6.pth", tmp_path / "resumed/iter_6.pth")
    ranks = states(tmp_path / "resumed", 2)
    assert largest_difference(*ranks) == 0


@pytest.mark.slow
def test_a_killed_run_goes_on(config, tmp_path):
    """As of ``kill -9``."""
    dies = "custom_imports = dict(imports=['gan_parts'])\n"
    path = config(dies + "custom_hooks += [dict(type='Die', iteration=5)]\n")
    command = [sys.executable, "tools/train.py", str(path), "--work-dir", str(tmp_path / "killed")]
    died = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert died.returncode == -9, died.stderr[-3000:]
    whole = config()
    train(whole, work_dir=tmp_path / "killed", resume=True)
    train(whole, work_dir=tmp_path / "whole")
    same_run(tmp_path / "whole/iter_6.pth", tmp_path / "killed/iter_6.pth")


def test_what_needs_a_segmentor_says_so(config, tmp_path):
    from daseg.api import init_segmentor

    path = config()
    message = r"its model, CycleGAN, translates images and segments none"
    with pytest.raises(ConfigError, match=message):
        init_segmentor(path)
    torch.save({"w": torch.zeros(1)}, tmp_path / "any.pth")
    with pytest.raises(ConfigError, match=message):
        evaluate(path, tmp_path / "any.pth")
    observed = config("custom_hooks = [dict(type='ObservatoryHook')]\n", name="observed")
    with pytest.raises(ConfigError, match="CycleGAN has no segmentor"):
        train(observed, work_dir=tmp_path / "run")


def test_a_misspelt_part_is_found_before_anything_is_read(config):
    for key, value, message in (
        ("model.source_to_target.block", 3, r"ResNetGenerator has no argument 'block'.*'blocks'"),
        ("model.disc_source.type", "PatchGanDiscriminator", "did you mean 'PatchGANDiscriminator'"),
        ("model.target_to_source.type", "PatchGANDiscriminator", "is a discriminator"),
        ("model.cycle_wieght", 1, "did you mean 'cycle_weight'"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_config(config(), {key: value})
