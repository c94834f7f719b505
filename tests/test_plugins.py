"""A package of somebody else, installed, is trained from a config."""

import subprocess
import sys
from pathlib import Path

import pytest

from daseg import plugins
from daseg.engine.checkpoint import read_checkpoint
from daseg.utils.errors import ConfigError
from processes import environment

ROOT = Path(__file__).parents[1]
PARTS = '''
import torch
from torch import nn

from daseg.datasets import FolderDataset
from daseg.registry import BACKBONES, DATASETS, LOSSES


@BACKBONES.register_module()
class TwoConvs(nn.Module):
    """Two strided convolutions."""

    def __init__(self, width: int = 4):
        super().__init__()
        self.out_channels = (width, 2 * width)
        self.first = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.second = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)

    def forward(self, image):
        first = self.first(image).relu()
        return first, self.second(first).relu()


@LOSSES.register_module()
class SquaredLoss(nn.Module):
    """Brier score."""

    def __init__(self, factor: float = 1.0):
        super().__init__()
        self.factor = factor

    def forward(self, logits, target, weight=None):
        valid = target != 255
        one_hot = nn.functional.one_hot(target.where(valid, 0), logits.shape[1]).movedim(-1, 1)
        error = ((logits.softmax(1) - one_hot) ** 2).sum(1)
        return self.factor * error[valid].mean()


@DATASETS.register_module()
class Halves(FolderDataset):
    """The tiny pictures."""

    def __init__(self, root: str, **options):
        super().__init__(root, classes=['left', 'right', 'square'], **options)
'''
PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "daseg-squares"
version = "0.3"

[project.entry-points."daseg.plugins"]
squares = "daseg_squares.parts"

[tool.setuptools]
packages = ["daseg_squares"]
"""
USE = """
model['segmentor'].update(
    backbone=dict(type='TwoConvs', width=6),
    head=dict(type='DeepLabV3Head', channels=8, rates=(1, 2), norm='bn', pool_norm=False))
model['objectives'] = [dict(type='Supervised', loss=dict(type='SquaredLoss', factor=2.0))]
for loader in (train_dataloader, val_dataloader):
    steps = loader['dataset']['pipeline']
    loader['dataset'] = dict(type='Halves', root=data['root'], pipeline=steps)
test_dataloader = val_dataloader
del loader, steps
"""


def run(*arguments, path: Path) -> subprocess.CompletedProcess:
    env = environment(path)
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=ROOT, env=env, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The folder into which pip has installed the package, without network."""
    source = tmp_path_factory.mktemp("source")
    (source / "daseg_squares").mkdir()
    (source / "daseg_squares/__init__.py").write_text("")
    (source / "daseg_squares/parts.py").write_text(PARTS)
    (source / "pyproject.toml").write_text(PYPROJECT)
    target = tmp_path_factory.mktemp("target")
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    done = run("-m", "pip", "install", *offline, "--target", target, source, path=target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert next(target.glob("daseg_squares-*.dist-info/entry_points.txt")).is_file()
    return target


def test_an_installed_package_is_trained_with_from_a_config(installed, tiny_config, tmp_path):
    config = tiny_config(USE)
    out = tmp_path / "run"
    options = ("--cfg-options", "train_cfg.max_iters=3", "model.segmentor.backbone.width=5")
    done = run("tools/train.py", config, "--work-dir", out, *options, path=installed)
    assert done.returncode == 0, done.stderr[-3000:]
    checkpoint = read_checkpoint(out / "iter_3.pth")
    state = checkpoint["state_dict"]
    assert state["segmentor.backbone.second.weight"].shape == (10, 5, 3, 3)
    assert checkpoint["meta"]["dataset_meta"]["classes"] == ["left", "right", "square"]
    assert (out / "train_images.txt").read_text().startswith("# Halves at ")


LOOK = """
import sys, daseg
from daseg.config.load import load_config
print(daseg.list_parts('backbone', 'Two*'), daseg.list_parts('loss', 'Sq*'))
load_config(sys.argv[1])
"""


def test_a_plugins_parts_are_listed_and_their_arguments_checked(installed, tiny_config):
    config = tiny_config(USE.replace("factor=2.0", "facter=2.0"))
    done = run("-c", LOOK, config, path=installed)
    assert done.stdout == "['TwoConvs'] ['SquaredLoss']\n", done.stderr
    assert "loss.facter: SquaredLoss has no argument 'facter'; did you mean 'factor'" in done.stderr


def test_a_plugin_that_fails_on_import_says_which_and_whose(monkeypatch, tmp_path):
    info = tmp_path / "daseg_broken-1.0.dist-info"  # what pip leaves of an installed package
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: daseg-broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[daseg.plugins]\nbroken = daseg_broken.parts\n")
    (tmp_path / "daseg_broken").mkdir()
    (tmp_path / "daseg_broken/__init__.py").write_text("")
    (tmp_path / "daseg_broken/parts.py").write_text("import no_such_module_here\n")
    monkeypatch.syspath_prepend(tmp_path)
    plugins.load_plugins.cache_clear()
    with pytest.raises(
        ConfigError,
        match=r"the daseg plugin 'broken' \(daseg_broken.parts, from daseg-broken\) fails on import"
        r": ModuleNotFoundError: No module named 'no_such_module_here'. .*pip uninstall daseg-bro",
    ):
        plugins.load_plugins()
