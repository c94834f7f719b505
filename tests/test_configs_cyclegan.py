"""The configs of CycleGAN: what they state, in the real world and in the small ones."""

import json
from pathlib import Path

import pytest
import torch

from daseg.config.load import load_config
from daseg.engine.train import train
from daseg.registry import MODELS, PARAM_SCHEDULERS
from daseg.worlds.apply import changes, use_world
from daseg.worlds.drawing import make_world

FOLDER = Path(__file__).parents[1] / "configs/cyclegan"
NAMES = ["gta2cityscapes", "cityscapes2gta"]
SEMANTIC = "gta2cityscapes_semantic"
SOURCE = dict(gta2cityscapes="GTA5", cityscapes2gta="Cityscapes")
WIDTHS = dict(GTA5=(1024, 563), Cityscapes=(1024, 512))


def count(module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_all_are_listed():
    assert sorted([*NAMES, SEMANTIC]) == sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_the_published_one(name):
    cfg = load_config(FOLDER / f"{name}.py")
    model = MODELS.build(cfg.model)
    parts = model.trainable_networks()
    assert count(parts["generators"]) == 2 * 11_378_179
    assert count(parts["discriminators"]) == 2 * 2_764_737
    assert (model.cycle_weight, model.identity_weight, model.disc_weight) == (10, 10, 0.5)
    pair = cfg.train_dataloader.dataset
    assert {pair.source.type, pair.target.type} == {"GTA5", "Cityscapes"}
    assert pair.source.type == SOURCE[name]
    for domain in (pair.source, pair.target):
        assert domain.labels is False
        steps = [step.type for step in domain.pipeline]
        assert steps == "LoadImageFromFile ResizePIL RandomCrop RandomFlip PackSample".split()
        assert tuple(domain.pipeline[1].scale) == WIDTHS[domain.type]
        assert tuple(domain.pipeline[2].crop_size) == (360, 360)
    assert "val_dataloader" not in cfg
    assert "'LoadLabel'" not in cfg.pretty_text


def test_the_rate_is_constant_and_then_falls_to_nothing():
    cfg = load_config(FOLDER / "gta2cityscapes.py", {"train_cfg.max_iters": 10})
    (settings,) = cfg.param_scheduler
    assert (settings.begin, settings.end) == (250000, 500000)  # of 500000
    small = dict(settings) | dict(begin=5, end=10)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule, rates = PARAM_SCHEDULERS.build(small | dict(optimizer=optimizer)), []
    for _ in range(10):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([1] * 6 + [0.8, 0.6, 0.4, 0.2])
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("world", "crop"), [("demo", (88, 88)), ("camvid", (124, 84))])
@pytest.mark.parametrize("name", NAMES)
def test_in_a_small_world(name, world, crop):
    cfg = load_config(FOLDER / f"{name}.py", world=world)
    model = cfg.model
    for generator in (model.source_to_target, model.target_to_source):
        assert generator.type == "ResNetGenerator"
        assert (generator.channels, generator.blocks, generator.global_skip) == (16, 6, True)
    for discriminator in (model.disc_source, model.disc_target):
        assert discriminator.channels == 16
    assert cfg.train_dataloader.batch_size == 1
    assert cfg.train_cfg.max_iters == 2000  # for longer than an adaptation
    (schedule,) = cfg.param_scheduler
    assert (schedule.begin, schedule.end) == (1000, 2000)
    rates = [cfg.optim_wrapper[n].optimizer.lr for n in ("generators", "discriminators")]
    assert rates == pytest.approx([2.5 * 2e-4, 2e-4])
    assert (model.cycle_weight, model.identity_weight) == (2, 0.5)
    pictures = cfg.custom_hooks[-1]
    assert (pictures.type, pictures.interval) == ("TranslationPicturesHook", 100)
    for domain in (cfg.train_dataloader.dataset.source, cfg.train_dataloader.dataset.target):
        assert tuple(domain.pipeline[2].crop_size) == crop
        assert domain.labels is False


def test_a_segmentor_that_watches_is_the_worlds():
    real = load_config(FOLDER / f"{SEMANTIC}.py")
    assert real.model.semantic_weight == 1
    source_only = load_config(FOLDER.parent / "style_transfer/source_only.py")
    watching, trained = real.model.segmentor, source_only.model.segmentor
    for key in ("head", "aux_head", "mean", "std", "to_bgr", "align_corners"):
        assert watching[key] == trained[key], "its checkpoint is what is loaded"
    before = real._cfg_dict.to_dict()
    use_world(real, "camvid")
    assert real.model.segmentor.backbone.type == "EfficientNetLite0"
    assert real.model.segmentor.num_classes == 11
    listed = changes(before, real._cfg_dict.to_dict())
    assert "model.disc_target.channels: 64 -> 16" in listed


@pytest.mark.parametrize(
    "name", ["gta2cityscapes", pytest.param("cityscapes2gta", marks=pytest.mark.slow)]
)
def test_it_trains_in_the_embedded_world(name, tmp_path, monkeypatch):
    world = tmp_path / "world"
    make_world(world, num_source=2, num_target=2, num_val=1, num_test=1, workers=1, progress=False)
    monkeypatch.setenv("DASEG_DEMO", str(world))
    options = {
        "train_cfg.max_iters": 1,
        "train_dataloader.num_workers": 0,
        "train_dataloader.persistent_workers": False,
        "default_hooks.logger.interval": 1,
        "custom_hooks.3.images": 1,
        "custom_hooks.3.shown": 1,
    }
    path = FOLDER / f"{name}.py"
    runner = train(path, work_dir=tmp_path / "run", cfg_options=options, world="demo")
    assert runner.iter == 1
    assert "target train labels opened: 0" in (tmp_path / "run/report.txt").read_text()
    assert (tmp_path / "run/pictures/iter_1.png").exists()
    (log,) = (tmp_path / "run").glob("*/vis_data/scalars.json")
    logged = {key for line in log.read_text().splitlines() for key in json.loads(line)}
    assert {"loss_cycle_source", "loss_idt_target", "psnr_cycle_target"} <= logged
