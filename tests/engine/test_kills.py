"""Killed anywhere and resumed, a run is the one that was not killed, bit for bit."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from processes import environment
from runs import curve, same_run

KILLS = Path(__file__).parents[1] / "fixtures/kills.py"
CONFIG = """
custom_imports = dict(imports=['gan_parts'])
model['segmentor']['backbone'] = dict(type='SmallBackbone', norm='bn')
model['segmentor']['head'].update(channels=8)
train_dataloader['dataset'].update(num_samples=6)
val_dataloader['dataset'].update(num_samples=3)
train_cfg.update(max_iters=8, val_interval=3)
default_hooks['checkpoint'].update(interval=2, max_keep_ckpts=2)
default_hooks['logger'].update(interval=1)
custom_hooks.append(dict(type='ReportHook'))
"""


def killed(config: Path, out: Path, seed: int, *kinds: str) -> list[dict[str, Any]]:
    """Run what `kills.py` runs; each is as the first one, which was not killed."""
    out.mkdir()
    command = [sys.executable, str(KILLS), str(config), str(out), str(seed), "whole", *kinds]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    whole, *others = map(json.loads, done.stdout.splitlines())
    assert whole["status"] == 0
    assert len(others) == len(kinds)
    for other in others:
        log = Path(other["folder"] + ".log").read_text()
        assert other["resumed"] == 0, log[-3000:]
        first, second = Path(whole["folder"]), Path(other["folder"])
        same_run(first / "iter_8.pth", second / "iter_8.pth")
        assert sorted(p.name for p in second.glob("*.pth")) == ["iter_6.pth", "iter_8.pth"], other
        assert last_of_each(second) == last_of_each(first)
        assert not list(second.glob(".*")), "leftovers"
        assert "Traceback" not in log
    return others


def last_of_each(work_dir: Path) -> dict[int, dict[str, Any]]:
    """What was logged of each iteration, the last time."""
    return {row["iter"]: row for row in curve(work_dir)}


def test_killed_while_it_writes_and_stopped(tiny_config, tmp_path):
    runs = killed(tiny_config(CONFIG), tmp_path / "runs", 1, "writing", "term")
    assert [run["status"] for run in runs] == [-9, 143]


@pytest.mark.slow
def test_fifty_kills(tiny_config, tmp_path):
    kinds = ("anywhere", "writing") * 25 + ("term",) * 10
    runs = killed(tiny_config(CONFIG), tmp_path / "runs", 2, *kinds)
    assert [run["status"] for run in runs[:50]] == [-9] * 50
    assert {run["status"] for run in runs[50:]} <= {143, 0}  # 0: it had just ended
    assert sum(run["status"] == 143 for run in runs[50:]) >= 9
    assert len({tuple(run["left"]) for run in runs}) >= 4, "at different moments"


SELF_TRAINING = """
head, heads = dict(type='FPNHead', channels=8), dict(main=0.9, detail=0.1)
taught = dict(confidence=0.35, colors='hsv', joint=True, weights=heads)
frozen = dict(type='SmallBackbone', norm='gn', weights='3')
model.update(teacher_momentum=0.1, teacher_start='initial', segmentor=dict(
    type='HRDASegmentor', num_classes=3, backbone=dict(type='SmallBackbone', norm='bn'),
    head=head, attention=head, detail_size=(16, 16), box_multiple=4), objectives=[
        dict(type='Supervised', weights=heads),
        dict(type='FeatureDistance', classes=None, projector=True, backbone=frozen),
        dict(type='ClassMix', classes_of='batch', **taught),
        dict(type='MaskedConsistency', block=8, **taught),
        dict(type='InformationMaximization')])
optim_wrapper['segmentor']['lr_mult'] = dict(head=10, attention=10)
train_dataloader.update(sampler=dict(type='PairSampler'), dataset=dict(
    type='DomainPair', source=train_dataloader['dataset'], target=dict(
        data, num_samples=7, pipeline=[
            dict(type='LoadImageFromFile'), dict(type='RandomCrop', crop_size=(32, 32)),
            dict(type='PackSample')])))
"""


@pytest.mark.slow
def test_kills_of_self_training_at_two_resolutions(tiny_config, tmp_path):
    kinds = ("anywhere", "anywhere", "writing", "term")
    killed(tiny_config(CONFIG + SELF_TRAINING), tmp_path / "runs", 3, *kinds)
