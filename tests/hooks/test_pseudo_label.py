"""Pseudo-labels made anew while training: when, by whom, for whom, and over a stop and a resume."""

import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from PIL import Image

from daseg.engine import pseudo_label_report
from daseg.engine.checkpoint import model_state, read_checkpoint
from daseg.engine.config import load_config
from daseg.engine.evaluate import evaluate
from daseg.engine.labelling import Labelling
from daseg.engine.pseudo_label import pseudo_label
from daseg.engine.pseudo_label_threshold import Threshold
from daseg.engine.train import train
from daseg.hooks import PseudoLabelHook
from daseg.registry import HOOKS
from daseg.utils.errors import CheckpointError, ConfigError

ROOT = Path(__file__).parents[2]


def sibling(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / f"tests/engine/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# The target is a copy of the images alone, under another root: nothing of it is labelled.
ONLINE = """
pair = dict(
    type='DomainPair', source=train_dataloader['dataset'],
    target=dict(data, root={target!r}, pipeline=[
        dict(type='LoadImageFromFile'), dict(type='RandomFlip', prob=0.5), dict(type='PackSample')]))
train_dataloader.update(dataset=pair, sampler=dict(type='PairSampler'))
model['segmentor'].update(backbone=dict(type='SmallBackbone', norm={norm!r}))
model['objectives'] = [dict(type='Supervised'), dict(type='PseudoLabel')]
custom_imports = dict(imports=['gan_parts'])
custom_hooks = [dict(type='RecordDataHook'), dict(type='ReportHook'), dict(type='KeepRanks')]
default_hooks['checkpoint'].update(interval=1)
optim_wrapper['segmentor'].update(lr_mult={{}})
"""
BALANCED = "threshold=dict(kind='class-balanced', quantile=0.25)"


@pytest.fixture(autouse=True)
def _small_pictures(monkeypatch):
    monkeypatch.setattr(pseudo_label_report, "ROWS", 1)


@pytest.fixture
def online(gan_config, tiny_config, tiny_data, tmp_path):
    """Write a config with the hook of these arguments; None: without it."""
    gan_config()  # for the path to the parts
    target = tmp_path / "target"
    shutil.copytree(tiny_data / "images", target / "images")

    def write(hook, extra="", *, norm="bn", name="online"):
        text = ONLINE.format(target=str(target), norm=norm) + extra
        if hook is not None:
            text += f"custom_hooks.append(dict(type='PseudoLabelHook', {hook}))\n"
        return tiny_config(text, norm=norm, name=name)

    return write


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def pngs(folder):
    found = {p.name: p.read_bytes() for p in sorted((folder / "labels").iterdir())}
    assert len(found) == 12
    return found


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def folders(work_dir):
    return sorted(p.name for p in (work_dir / "pseudo_labels").iterdir())


def report_of(work_dir):
    return json.loads((work_dir / "report.json").read_text())


def logs(work_dir):
    return "".join(path.read_text() for path in work_dir.glob("*/*.log"))


def assert_same_weights(one, other):
    one, other = (read_checkpoint(path)["state_dict"] for path in (one, other))
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert torch.equal(value, other[key]), key


@HOOKS.register_module(force=True)
class SeeBatches(Hook):
    """Keep what each iteration was trained on, and which losses it had."""

    seen: list[dict] = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        source, target = data_batch["source"], data_batch["target"]
        names = [meta["name"] for meta in target["meta"]]
        labels = target.get("pseudo_label")
        self.seen.append(
            dict(source=source["image"], target=target["image"], names=names, pseudo=labels)
            | dict(losses=sorted(outputs))
        )


@HOOKS.register_module(force=True)
class StopAt(Hook):
    """End in the midst of a training: before the batch of an iteration, and any round there."""

    priority = "HIGHEST"

    def __init__(self, iteration):
        self.iteration = iteration

    def before_train_batch(self, runner):
        if runner.iter == self.iteration:
            raise KeyboardInterrupt


def test_rounds_are_what_the_tool_makes_of_the_checkpoint(online, tmp_path):
    config = online(f"iterations=[2, 4, 99], keep=-1, {BALANCED}")
    train(config, work_dir=tmp_path / "run")
    assert folders(tmp_path / "run") == ["iter_2", "iter_4"]
    for number, at in enumerate((2, 4), start=1):
        made, out = tmp_path / f"run/pseudo_labels/iter_{at}", tmp_path / f"tool_{at}"
        rule = Threshold("class-balanced", quantile=0.25)
        checkpoint = tmp_path / f"run/iter_{at}.pth"
        pseudo_label(config, checkpoint, out=out, workers=0, threshold=rule)
        assert pngs(made) == pngs(out)
        assert sorted(p.name for p in made.iterdir()) == sorted(p.name for p in out.iterdir())
        assert (made / "report.txt").read_text() == (out / "report.txt").read_text()
        content, expected = manifest(made), manifest(out)
        for key in ("coverage", "ignored_share", "images", "teacher_saw_target_labels", "kind"):
            assert content[key] == expected[key], key
        assert (content["round"], content["iteration"]) == (number, at)
        assert content["teacher_saw_target_labels"] == 0
        assert 0 < content["ignored_share"] < 0.4
    first, second = (pngs(tmp_path / f"run/pseudo_labels/iter_{at}") for at in (2, 4))
    assert first != second
    assert "iterations at which pseudo-labels are made: 2, 4\n" in logs(tmp_path / "run")


def test_the_round_is_on_the_record(online, tmp_path):
    config = online("interval=2")
    train(config, work_dir=tmp_path / "run")
    facts = read_checkpoint(tmp_path / "run/iter_6.pth")["meta"]["pseudo_labels"]
    last = tmp_path / "run/pseudo_labels/iter_4"
    assert (facts["round"], facts["iteration"], facts["root"]) == (2, 4, str(last))
    assert facts["manifest_sha256"] == digest(last / "manifest.json")
    assert read_checkpoint(tmp_path / "run/iter_2.pth")["meta"]["pseudo_labels"] is None
    words = "self-training, unsupervised, round 2 while training (by network of iteration 4 sha256:"
    report = report_of(tmp_path / "run")
    assert report["pseudo_labels"] == facts
    assert report["training"].startswith(words)
    assert report["target_train_labels_opened"] == 0
    assert report["target_pseudo_labels_opened"] == 8  # in 4 of 6 iterations, 2 images each
    evaluate(config, tmp_path / "run/iter_6.pth", out=tmp_path / "test")
    assert words in (tmp_path / "test/protocol_card.txt").read_text()


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_have_the_new_labels_and_the_same_images(online, tmp_path, workers):
    see = "custom_hooks.append(dict(type='SeeBatches'))\n"
    options = {"train_dataloader.num_workers": workers}
    options["train_dataloader.persistent_workers"] = True
    SeeBatches.seen = with_rounds = []
    train(online("iterations=[2, 4], keep=-1", see), work_dir=tmp_path / "run", cfg_options=options)
    SeeBatches.seen = without = []
    plain = see + "model['objectives'] = [dict(type='Supervised')]\n"
    train(online(None, plain), work_dir=tmp_path / "plain", cfg_options=options)
    assert len(with_rounds) == len(without) == 6
    flipped = 0
    for at, (one, other) in enumerate(zip(with_rounds, without, strict=True)):
        assert torch.equal(one["source"], other["source"])
        assert torch.equal(one["target"], other["target"])
        assert ("loss_pseudo" in one["losses"]) == (at >= 2)
        if at < 2:
            assert one["pseudo"] is None
            continue
        folder = tmp_path / f"run/pseudo_labels/iter_{2 if at < 4 else 4}/labels"
        for name, image, label in zip(one["names"], one["target"], one["pseudo"], strict=True):
            file = np.asarray(Image.open(tmp_path / f"target/images/{name}.png"))
            expected = np.asarray(Image.open(folder / f"{name}.png"))
            if not np.array_equal(file, image.permute(1, 2, 0).numpy()):
                expected, flipped = expected[:, ::-1], flipped + 1
            assert np.array_equal(label.numpy(), expected), (at, name)
    assert 0 < flipped < 8


def test_a_hook_that_nobody_learns_from_changes_nothing(online, tmp_path):
    """Neither weights nor statistics nor random numbers (there is dropout) are touched."""
    source_only = "model['objectives'] = [dict(type='Supervised')]\n"
    train(online(None, source_only), work_dir=tmp_path / "plain")
    hook = "interval=2, at_start=True"
    train(online(hook, source_only), work_dir=tmp_path / "hook")
    assert_same_weights(tmp_path / "plain/iter_6.pth", tmp_path / "hook/iter_6.pth")
    # Before the first round, the objective on pseudo-labels trains nothing either.
    train(online("iterations=[5]"), work_dir=tmp_path / "late")
    assert_same_weights(tmp_path / "plain/iter_5.pth", tmp_path / "late/iter_5.pth")
    with pytest.raises(AssertionError):
        assert_same_weights(tmp_path / "plain/iter_6.pth", tmp_path / "late/iter_6.pth")
