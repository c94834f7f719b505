"""A pipeline that pads or crops is refused by every tool, before its work begins."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine import Config
from PIL import Image

import daseg
from daseg import api
from daseg.config.load import load_config
from daseg.engine.adabn import adapt_to_images, target_images
from daseg.engine.evaluate import evaluate
from daseg.engine.train import train
from daseg.offline.pseudo_labels.pseudo_label import pseudo_label
from daseg.offline.translation.translate import translate
from daseg.utils.errors import ConfigError, DataError
from daseg.visualization.compare import show_models
from perfect import draw_streets

CONFIG = """
custom_imports = dict(imports=['perfect'])
default_scope = 'daseg'
randomness = dict(seed=3)
log_processor = dict(by_epoch=False)
resizing = {resizing}
load, label, pack = (dict(type=t) for t in ('LoadImageFromFile', 'LoadLabel', 'PackSample'))
data = dict(type='FolderDataset', root={root!r}, classes=['sky', 'road', 'car'])
model = dict(
    type='DomainAdapter', objectives=[dict(type='Supervised')],
    segmentor=dict(
        type='Segmentor', num_classes=3, mean=(0, 0, 0), std=(1, 1, 1),
        backbone=dict(type='Eye'), head=dict(type='NearestColour')))
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='PairSampler'),
    collate_fn=dict(type='collate'),
    dataset=dict(
        type='DomainPair', source=dict(data, pipeline=[load, label, *{source}, pack]),
        target=dict(data, pipeline=[load, pack])))
val_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='collate'), dataset=dict(data, pipeline=[load, *resizing, label, pack]))
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric')
test_evaluator = val_evaluator
train_cfg = dict(type='IterTrainLoop', max_iters=1, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    constructor='OptimizersByNetwork', segmentor=dict(optimizer=dict(type='SGD', lr=0.0)))
default_hooks = dict(
    runtime_info=dict(type='TrainLogHook'),
    logger=dict(type='LoggerHook', interval=1, log_metric_by_epoch=False),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1))
"""
TWICE = "[dict(type='Resize', scale=(128, 96), interpolation='nearest')]"
PADDED = "[dict(type='Pad', size=(80, 80))]"
SEEN = "Pad turns an image of 64x48 pixels into one of 80x80"


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_streets(tmp_path_factory.mktemp("streets") / "data")


@pytest.fixture
def write(streets: Path, tmp_path: Path) -> Callable[..., Path]:
    def config(resizing: str = TWICE, source: str = "[]", extra: str = "") -> Path:
        path = tmp_path / "street.py"
        path.write_text(CONFIG.format(root=str(streets), resizing=resizing, source=source) + extra)
        return path

    return config


@pytest.fixture(scope="module")
def checkpoint(streets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a training of one step that changes nothing."""
    folder = tmp_path_factory.mktemp("perfect")
    path = folder / "street.py"
    path.write_text(CONFIG.format(root=str(streets), resizing=TWICE, source="[]"))
    train(path, work_dir=folder / "run")
    log = next((folder / "run").glob("*/vis_data/scalars.json")).read_text().splitlines()
    assert [row["mIoU"] for row in map(json.loads, log) if "mIoU" in row] == [100.0]
    return folder / "run/iter_1.pth"


def test_where_images_are_stretched_the_number_is_100(write, checkpoint, streets, tmp_path):
    assert evaluate(write(), checkpoint, out=tmp_path / "out").mIoU == 1.0
    segmentor = daseg.init_segmentor(write(), checkpoint)
    made = tmp_path / "pseudo"
    pseudo_label(write(), checkpoint, out=made, workers=0)
    for image in sorted((streets / "images").iterdir()):
        truth = np.asarray(Image.open(streets / "labels" / image.name))
        for given in (image, Image.open(image), np.asarray(Image.open(image))):
            assert np.array_equal(daseg.predict(segmentor, given), truth)
        assert np.array_equal(np.asarray(Image.open(made / "labels" / image.name)), truth)


def test_translated_images_lie_on_their_labels(write, streets, tmp_path):
    translate(
        write(source=TWICE), out=tmp_path / "out", translator=["IdentityTranslator"], workers=0
    )
    for image in sorted((streets / "images").iterdir()):
        found = np.asarray(Image.open(tmp_path / "out/images" / image.name)).astype(int)
        assert (abs(found - np.asarray(Image.open(image))) > 100).mean() < 0.02


def refused(match: str = SEEN) -> Any:
    return pytest.raises(ConfigError, match=match)


def test_a_training_does_not_begin(write, tmp_path):
    with refused(f"val_dataloader.dataset.pipeline: {SEEN}"):
        train(write(PADDED), work_dir=tmp_path / "run")
    assert not list(tmp_path.glob("run/*.pth"))


def test_a_test_does_not_begin(write, checkpoint, tmp_path):
    with refused(f"test_dataloader.dataset.pipeline: {SEEN}"):
        evaluate(write(PADDED), checkpoint, out=tmp_path / "out")
    assert not list(tmp_path.glob("out/results.json"))


def test_nothing_is_predicted(write, checkpoint, streets):
    segmentor = daseg.init_segmentor(write(PADDED), checkpoint)
    for given in (streets / "images/00.png", Image.open(streets / "images/00.png")):
        with refused():
            daseg.predict(segmentor, given)


def test_what_is_normalised_is_not_predicted(write, checkpoint):
    step = "[dict(type='Normalize', mean=[120.0] * 3, std=[58.0] * 3)]"
    with refused("test_dataloader.dataset.pipeline: after the transform Normalize"):
        daseg.init_segmentor(write(step), checkpoint)


def test_numbers_beyond_255_are_not_predicted_either(write, checkpoint, streets):
    """From Python, where no config was read: 230 doubled is 460."""
    segmentor = daseg.init_segmentor(write(), checkpoint)
    segmentor.preprocess = api.test_resizing(
        Config(
            dict(
                test_dataloader=dict(
                    dataset=dict(pipeline=[dict(type="Normalize", mean=[0.0] * 3, std=[0.5] * 3)])
                )
            )
        )
    )
    with pytest.raises(DataError, match="after the transform Normalize the image has numbers"):
        daseg.predict(segmentor, streets / "images/00.png")


def test_nothing_is_labelled(write, checkpoint, tmp_path):
    with refused():
        pseudo_label(write(PADDED), checkpoint, out=tmp_path / "pseudo")
    assert not list(tmp_path.glob("pseudo/labels/*"))


def test_nothing_is_labelled_online(write, tmp_path):
    """Found before the first round, though there is no validation."""
    hook = "custom_hooks = [dict(type='PseudoLabelHook', at_start=True)]\n"
    extra = hook + "val_dataloader = val_evaluator = val_cfg = None\n"
    with refused():
        train(write(PADDED, extra=extra), work_dir=tmp_path / "run")
    assert not (tmp_path / "run/pseudo_labels").exists()


def test_nothing_is_translated(write, tmp_path):
    source = "[dict(type='RandomCrop', crop_size=(32, 32)), dict(type='PaddingResize')]"
    with refused("PaddingResize turns an image of 64x48 pixels into one of 80x80"):
        translate(write(source=source), out=tmp_path / "out", translator=["IdentityTranslator"])
    assert not list(tmp_path.glob("out/images/*"))


def test_an_image_of_another_size_is_told_apart(write, streets, tmp_path):
    """A divisor that fits the first image, but not the last."""
    root = draw_streets(tmp_path / "data", count=2)
    other = draw_streets(tmp_path / "other", count=3, size=(56, 64))
    for folder in ("images", "labels"):
        (other / folder / "02.png").rename(root / folder / "02.png")
    divisor = "[dict(type='Pad', size_divisor=16)]"
    options = {"val_dataloader.dataset.root": str(root)}
    with refused(r"02.png: Pad turns an image of 64x56 pixels into one of 64x64"):
        train(write(divisor), work_dir=tmp_path / "run", cfg_options=options)
    assert (tmp_path / "run/iter_1.pth").exists()  # what has been trained is kept


def test_statistics_are_not_taken_of_other_images(write, checkpoint):
    cfg = load_config(write(PADDED))
    with refused(f"AdaBN: {SEEN}"):
        adapt_to_images(torch.nn.Identity(), target_images(cfg), cfg.test_dataloader)


def test_a_panel_shows_nothing_else(write, checkpoint, tmp_path):
    with refused():
        show_models([("a", write(PADDED), checkpoint)], tmp_path / "panel.png")


@pytest.mark.parametrize("hook", ["LabelFreeScoresHook", "AdaBNHook"])
def test_hooks_with_images_of_their_own_look_at_them_before(hook, write, tmp_path):
    own = "dict(data, pipeline=[load, dict(type='Pad', size=(80, 80)), pack])"
    norm = "model['segmentor']['backbone'] = dict(type='NormEye')\n"
    extra = f"custom_hooks = [dict(type={hook!r}, dataset={own})]\n" + norm
    with refused(f"{hook}: {SEEN}"):
        train(write(extra=extra), work_dir=tmp_path / "run")
    assert not list(tmp_path.glob("run/*.pth"))
