"""Every config loads strictly and builds; the large ones train at their real size."""

import ast
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from daseg.config.load import load_config
from daseg.datasets import Cityscapes
from daseg.engine.train import train
from daseg.registry import DATASETS, METRICS
from daseg.segmentor import build_segmentor
from daseg.worlds.drawing import make_world
from daseg.worlds.load import load_world

ROOT = Path(__file__).parents[1]
NO_CONFIGS = {"_base_", "studies", "worlds"}  # tests/study, tests/worlds
CONFIGS = sorted(p for p in (ROOT / "configs").rglob("*.py") if not NO_CONFIGS & set(p.parts))
NAMES = [p.relative_to(ROOT / "configs").as_posix() for p in CONFIGS]
NO_WEIGHTS = {"model.segmentor.backbone.weights": None}
LARGE = ["deeplabv3plus/deeplabv3plus_r101_cityscapes.py"]
LARGE += ["supervised/cityscapes_seg.py", "adaptseg/source_only.py", "adaptseg/lsgan_b2.py"]
OF_A_WORLD = ("demo/", "camvid/", "own_pair/")
TRANSLATING = ("cyclegan/",)  # they segment nothing: test_configs_cyclegan.py
REAL = [name for name in NAMES if not name.startswith(OF_A_WORLD + TRANSLATING)]
SEGMENTING = [name for name in NAMES if not name.startswith(TRANSLATING)]
# Twins of another one, in the world: trained where there is time.
TWINS = ("adaptseg/synthia_", "adaptseg/lsgan_", "adaptseg/multi_lsgan", "adaptseg/single_")
TWINS += ("supervised/cityscapes_seg_d", "adaptseg/oracle", "adaptseg/source_only")
TWINS += ("style_transfer/aagc", "style_transfer/source_only")
TWINS += ("fda/fda_b005", "fda/fda_b009", "target_subset/", "augmentation/")
TWINS += tuple(f"student/aagc_b2_student{name}.py" for name in ("", "_autoaug", "_full"))
TWINS += ("student/aagc_b2_online", "segformer/segformer_supervised")
# Thirty alike, of which two are read and trained at once.
FAMILIES = ("daformer/acdc", "daformer/dark_zurich", "daformer/synthia", "daformer/gta5_mitb5")
FAMILIES += ("hrda/", "mic/", "vfm/")
TWINS += FAMILIES


def slow_if(name: str, prefixes: tuple[str, ...]):
    return pytest.param(name, marks=[pytest.mark.slow] if name.startswith(prefixes) else [])


ADAPTING = ["adaptseg/multi_vanilla.py", "advent/minent.py", "style_transfer/gc_b1.py"]


def test_the_configs_are_found():
    assert len(CONFIGS) >= 24
    assert set(LARGE + ADAPTING) <= set(NAMES)
    assert len(REAL) >= 18


@pytest.mark.parametrize("name", [slow_if(name, FAMILIES) for name in SEGMENTING])
def test_a_config_loads_and_builds(name):
    cfg = load_config(ROOT / "configs" / name, NO_WEIGHTS)
    with torch.device("meta"):  # the largest have hundreds of millions of weights
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
    name = path.relative_to(ROOT / "configs").with_suffix("").as_posix()
    words = [line.split() for line in docstring.splitlines()]
    assert any(w[:1] == ["daseg"] and name in w for w in words), f"no command with {name}"


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


@pytest.mark.parametrize("world", ["demo", "camvid"])
@pytest.mark.parametrize("name", [slow_if(name, FAMILIES) for name in REAL])
def test_a_config_runs_in_a_world(name, world):
    cfg = load_config(ROOT / "configs" / name, NO_WEIGHTS, world=world)
    real = load_config(ROOT / "configs" / name)
    segmentor = build_segmentor(cfg)
    assert type(segmentor.backbone).__name__ == "EfficientNetLite0"
    assert segmentor.num_classes == (19 if world == "demo" else 11)
    assert cfg.train_cfg.max_iters <= 160
    assert cfg.train_dataloader.batch_size == max(real.train_dataloader.batch_size, 4)
    assert weights_of(cfg) == weights_of(real)
    places = [v for k, v in leaves(cfg._cfg_dict.to_dict()) if k in ("root", "label_root")]
    assert len(places) >= 3
    small = load_world(world)
    own = (small.root, small.translated)
    assert all(place.startswith(own) for place in places)
    labelled_by_others = cfg.train_dataloader.dataset.get("pseudo_labels")
    assert labelled_by_others in (None, small.pseudo_labels)
    assert bool(labelled_by_others) == name.startswith("student/aagc_b2_student")


def weights_of(cfg) -> list[tuple]:
    return [(o.type, o.get("weight"), o.get("aux_weight")) for o in cfg.model.objectives]


def leaves(node):
    """Every key below a node with its value."""
    if isinstance(node, dict):
        yield from node.items()
    if isinstance(node, (dict, list, tuple)):
        for child in node.values() if isinstance(node, dict) else node:
            yield from leaves(child)


@pytest.fixture(scope="module")
def tiny_world(tmp_path_factory) -> Path:
    """A few pictures of the embedded world, at its real size."""
    root = tmp_path_factory.mktemp("world")
    make_world(root, num_source=4, num_target=4, num_val=1, num_test=1, workers=1, progress=False)
    translated = root / "gta5_translated/images"
    translated.mkdir(parents=True)
    for image in (root / "gta5/images").iterdir():
        pixels = cv2.imread(str(image))
        assert cv2.imwrite(str(translated / image.name), 255 - pixels)
    for label in (root / "cityscapes").glob("gtFine/train/*/*_labelIds.png"):
        pseudo = root / "pseudo_labels" / label.relative_to(root / "cityscapes")
        pseudo.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(pseudo), cv2.imread(str(label), cv2.IMREAD_UNCHANGED) % 19)
    return root


@pytest.mark.parametrize("name", [slow_if(name, TWINS) for name in REAL])
def test_a_config_trains_in_the_embedded_world(name, tiny_world, tmp_path, monkeypatch):
    monkeypatch.setenv("DASEG_DEMO", str(tiny_world))
    options = NO_WEIGHTS | {
        "train_cfg.max_iters": 1,
        "train_dataloader.num_workers": 0,
        "train_dataloader.persistent_workers": False,
        "default_hooks.logger.interval": 1,
        "val_dataloader": None,
        "val_cfg": None,
        "val_evaluator": None,
    }
    if "_d1" in name or "_d5" in name:  # of 300 images; here there are 4
        options[f"train_dataloader.dataset.{'target.' * ('target_' in name)}num_samples"] = 2
    if name.endswith("_labels.py"):
        options["train_dataloader.dataset.labelled_target.num_samples"] = 2
    if name.startswith("source_free/"):
        options |= {"load_from": None}
    if name.startswith("student/"):
        options |= {"train_dataloader.dataset.pseudo_labels_without_manifest": True}
        options |= {"load_from": None}
    runner = train(ROOT / "configs" / name, work_dir=tmp_path, cfg_options=options, world="demo")
    assert runner.iter == 1
    (log,) = tmp_path.glob("*/vis_data/scalars.json")
    losses = {name for line in log.read_text().splitlines() for name in json.loads(line)}
    expected = set() if name.startswith("source_free/") else {"loss_seg"}
    if "aux_head" in runner.cfg.model.segmentor and runner.cfg.model.segmentor.aux_head:
        expected |= {"loss_seg_aux"}
    for objective in runner.cfg.model.objectives:
        suffix = "_aux" if objective.get("level") == "aux" else ""
        if objective.type == "OutputAdversarial":
            expected |= {f"loss_adv{suffix}", f"loss_disc{suffix}"}
        if objective.type == "PseudoLabel":
            expected |= {"loss_pseudo", "loss_pseudo_aux"}
        own = dict(ClassMix="mix", MaskedConsistency="masked", FeatureDistance="feature")
        expected |= {f"loss_{own[objective.type]}"} if objective.type in own else set()
    assert expected <= losses
    assert "target train labels opened: 0" in report_of(tmp_path, name)


def report_of(folder: Path, name: str) -> str:
    """The training's report; a training without a target says so."""
    text = (folder / "report.txt").read_text()
    alone = name.startswith(("supervised/", "deeplabv3plus/", "adaptseg/oracle", "segformer/"))
    alone = alone or name.endswith("/source_only.py")
    return text.replace("no target domain in training", "0") if alone else text


@pytest.mark.parametrize("folder", ["adaptseg", "style_transfer"])
def test_source_only_sees_no_target_in_training(folder):
    cfg = load_config(ROOT / f"configs/{folder}/source_only.py")
    assert cfg.train_dataloader.dataset.type == "GTA5"
    assert "Cityscapes" not in str(cfg.train_dataloader)
    assert [objective.type for objective in cfg.model.objectives] == ["Supervised"]


ADVERSARIAL = {  # weights of the auxiliary and the main head; loss; size of source and target
    "adaptseg/multi_vanilla": (0.0002, 0.001, "BCEGANLoss", (1280, 720), (1024, 512)),
    "adaptseg/multi_lsgan": (0.002, 0.01, "LSGANLoss", (1280, 720), (1024, 512)),
    "adaptseg/single_vanilla": (None, 0.001, "BCEGANLoss", (1280, 720), (1024, 512)),
    "adaptseg/single_lsgan": (None, 0.01, "LSGANLoss", (1280, 720), (1024, 512)),
    "adaptseg/synthia_multi_vanilla": (0.0002, 0.001, "BCEGANLoss", (1280, 760), (1024, 512)),
    "adaptseg/synthia_multi_lsgan": (0.002, 0.01, "LSGANLoss", (1280, 760), (1024, 512)),
    "adaptseg/synthia_single_vanilla": (None, 0.001, "BCEGANLoss", (1280, 760), (1024, 512)),
    "adaptseg/synthia_single_lsgan": (None, 0.01, "LSGANLoss", (1280, 760), (1024, 512)),
    "adaptseg/lsgan_b2": (0.0002, 0.001, "LSGANLoss", (512, 256), (512, 256)),
    "adaptseg/lsgan_b1": (0.0002, 0.001, "LSGANLoss", (640, 360), (640, 360)),
    "advent/advent": (0.0002, 0.001, "BCEGANLoss", (1280, 720), (1024, 512)),
    "style_transfer/gc_b1": (0.0004, 0.002, "LSGANLoss", (1280, 720), (1024, 512)),
    "style_transfer/agc_b1": (0.0004, 0.002, "LSGANLoss", (1280, 720), (1024, 512)),
    "style_transfer/aagc_b2": (0.0004, 0.002, "LSGANLoss", (1280, 720), (1024, 512)),
    "single/aagc_b4_single": (None, 0.002, "LSGANLoss", (1280, 720), (1024, 512)),
}


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_an_adversarial_config_has_the_published_weights_and_sizes(name):
    cfg = load_config(ROOT / f"configs/{name}.py")
    games = [o for o in cfg.model.objectives if o.type == "OutputAdversarial"]
    by_level = {game.get("level", "main"): game for game in games}
    weights = [by_level[level].weight if level in by_level else None for level in ("aux", "main")]
    (loss,) = {game.loss.type for game in games}
    pair = cfg.train_dataloader.dataset
    sizes = [
        next(tuple(step.scale) for step in part.pipeline if "scale" in step)
        for part in (pair.source.get("datasets", [pair.source])[-1], pair.target)
    ]
    assert (*weights, loss, *sizes) == ADVERSARIAL[name]
    assert pair.target.labels is False
    assert all(step.type != "LoadLabel" for step in pair.target.pipeline)


def test_the_sources_of_the_rows_with_translation():
    """gc: the game; agc: the game and its translation; aagc: the translation alone."""

    def roots(name: str, **options) -> list[tuple[str, str | None]]:
        source = load_config(ROOT / f"configs/style_transfer/{name}.py", **options)
        source = source.train_dataloader.dataset.source
        return [(d.root, d.get("label_root")) for d in source.get("datasets", [source])]

    game, translated = ("data/gta5", None), ("data/gta5_as_cityscapes", "data/gta5")
    assert roots("gc_b1") == [game]
    assert roots("agc_b1") == [game, translated]
    assert roots("aagc_b2") == [translated]
    demo = Path(load_world("demo").root)
    game = (f"{demo}/gta5", None)
    assert roots("agc_b1", world="demo") == [game, (f"{demo}/gta5_translated", f"{demo}/gta5")]


@pytest.mark.parametrize("beta", [0.01, 0.05, 0.09])
def test_fda_has_the_values_of_the_public_code(beta):
    cfg = load_config(ROOT / f"configs/fda/fda_b{beta * 100:03.0f}.py")
    pair, segmentor = cfg.train_dataloader.dataset, cfg.model.segmentor
    assert pair.translator == dict(type="FourierTranslator", beta=beta)
    sizes = [step.get("scale") or step.get("crop_size") for step in pair.source.pipeline[2:4]]
    assert sizes == [(1280, 720), (512, 1024)]
    assert pair.target.pipeline[1].scale == (1024, 512)
    assert cfg.test_dataloader.dataset.pipeline[1].scale == (1344, 576)
    assert (segmentor.head.branches, segmentor.aux_head) == (4, None)
    entropy = cfg.model.objectives[1]
    assert (entropy.weight, entropy.loss.eta) == (0.005, 2.0)
    schedule = cfg.optim_wrapper.segmentor.optimizer.lr, cfg.param_scheduler[0].end
    assert (*schedule, cfg.train_cfg.max_iters) == (2.5e-4, 150000, 100000)
    assert cfg.train_dataloader.batch_size == 1


def noise(path: Path, size: tuple[int, int], label: bool, rng: np.random.Generator) -> None:
    """Write a picture of (height, width) of coarse noise; a label holds label ids."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[0] // 64 + 1, size[1] // 64 + 1) + (() if label else (3,))
    values = rng.choice(list(Cityscapes.TRAIN_IDS), shape) if label else rng.integers(0, 256, shape)
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
    dataset = load_config(path, NO_WEIGHTS).train_dataloader.dataset
    parts = ("source.", "target.") if dataset.type == "DomainPair" else ("",)
    roots = {
        f"train_dataloader.dataset.{part}root": str(
            drawn / (dataset[part[:-1]] if part else dataset).type.lower()
        )
        for part in parts
    }
    options = (
        NO_WEIGHTS
        | roots
        | {
            "train_cfg.max_iters": 2,
            "train_dataloader.num_workers": 0,
            "default_hooks.logger.interval": 1,
            "val_dataloader": None,  # two images of 2048x1024 are not what is tested here
            "val_cfg": None,
            "val_evaluator": None,
        }
    )
    if "deeplabv3plus" in name:  # 16 GB and more for the configured 4 crops of 769x769
        options["train_dataloader.batch_size"] = 2  # batch norm over the pooled features needs 2
    runner = train(path, work_dir=tmp_path / "run", cfg_options=options)
    assert runner.iter == 2
    (log,) = (tmp_path / "run").glob("*/vis_data/scalars.json")
    assert log.read_text().count('"loss_seg"') == 2
    assert log.read_text().count('"loss_disc"') == (2 if dataset.type == "DomainPair" else 0)
    assert os.path.getsize(tmp_path / "run/iter_2.pth") > 300e6  # weights and momentum of a R101
