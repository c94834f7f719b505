"""Every config loads strictly and builds; the large ones train at their real size."""

import ast
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from daseg.engine.config import load_config
from daseg.engine.train import train
from daseg.registry import DATASETS, METRICS
from daseg.segmentor import build_segmentor
from daseg.utils.labels import CITYSCAPES_TRAIN_IDS

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(p for p in (ROOT / "configs").rglob("*.py") if "_base_" not in p.parts)
NAMES = [p.relative_to(ROOT / "configs").as_posix() for p in CONFIGS]
NO_WEIGHTS = {"model.segmentor.backbone.weights": None}
LARGE = ["deeplabv3plus/deeplabv3plus_r101_cityscapes.py"]
LARGE += ["supervised/cityscapes_seg.py", "adaptseg/source_only.py"]


def test_the_configs_are_found():
    assert len(CONFIGS) >= 10
    assert set(LARGE) <= set(NAMES)


@pytest.mark.parametrize("path", CONFIGS, ids=NAMES)
def test_a_config_loads_and_builds(path):
    cfg = load_config(path, NO_WEIGHTS)
    segmentor = build_segmentor(cfg)
    assert segmentor.num_classes == cfg.model.segmentor.num_classes
    evaluators = cfg.test_evaluator
    for evaluator in evaluators if isinstance(evaluators, list) else [evaluators]:
        METRICS.build(dict(evaluator))
    for name in ("train_dataloader", "val_dataloader", "test_dataloader"):
        dataset = dict(cfg[name].dataset)
        if "root" in dataset and Path(dataset["root"]).is_dir():
            assert len(DATASETS.build(dataset)) > 0


@pytest.mark.parametrize("path", CONFIGS, ids=NAMES)
def test_a_config_is_short_and_says_what_it_is(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 40
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring is not None
    name = path.relative_to(ROOT).as_posix()
    commands = [line for line in docstring.splitlines() if "tools/" in line and name in line]
    assert commands, f"the docstring shows no command with {name}"


@pytest.mark.parametrize("path", CONFIGS, ids=NAMES)
def test_a_config_has_at_most_three_levels_above_the_bases(path):
    def depth(file: Path) -> int:
        if "_base_" in file.parts:
            return 0
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_base_":
                return 1 + max(depth(file.parent / base) for base in ast.literal_eval(node.value))
        return 1

    assert depth(path) <= 3


def noise(path: Path, size: tuple[int, int], label: bool, rng: np.random.Generator) -> None:
    """Write a picture of (height, width) of coarse noise; a label holds label ids."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[0] // 64 + 1, size[1] // 64 + 1) + (() if label else (3,))
    values = rng.choice(list(CITYSCAPES_TRAIN_IDS), shape) if label else rng.integers(0, 256, shape)
    pixels = values.astype(np.uint8).repeat(64, 0).repeat(64, 1)[: size[0], : size[1]]
    assert cv2.imwrite(str(path), pixels)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """A folder with a few pictures in Cityscapes' and GTA5's layouts, at their real sizes."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for index in range(4):
        noise(root / f"gta5/images/{index:05d}.png", (1052, 1914), False, rng)
        noise(root / f"gta5/labels/{index:05d}.png", (1052, 1914), True, rng)
        for split in ("train", "val"):
            name = f"{split}/town/town_{index:06d}_000019"
            left = root / f"cityscapes/leftImg8bit/{name}_leftImg8bit.png"
            noise(left, (1024, 2048), False, rng)
            fine = root / f"cityscapes/gtFine/{name}_gtFine_labelIds.png"
            noise(fine, (1024, 2048), True, rng)
    return root


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_a_large_network_trains_two_iterations_at_its_real_size(name, drawn, tmp_path):
    path = ROOT / "configs" / name
    dataset = load_config(path, NO_WEIGHTS).train_dataloader.dataset.type
    options = NO_WEIGHTS | {
        "train_cfg.max_iters": 2,
        "train_dataloader.num_workers": 0,
        "train_dataloader.dataset.root": str(drawn / dataset.lower()),
        "default_hooks.logger.interval": 1,
        "val_dataloader": None,  # two images of 2048x1024 are not what is tested here
        "val_cfg": None,
        "val_evaluator": None,
    }
    if "deeplabv3plus" in name:  # 16 GB and more for the configured 4 crops of 769x769
        options["train_dataloader.batch_size"] = 2  # batch norm over the pooled features needs 2
    runner = train(path, work_dir=tmp_path / "run", cfg_options=options)
    assert runner.iter == 2
    (log,) = (tmp_path / "run").glob("*/vis_data/scalars.json")
    assert log.read_text().count('"loss_seg"') == 2
    assert os.path.getsize(tmp_path / "run/iter_2.pth") > 300e6  # weights and momentum of a R101
