"""Label-free scores of a run: what they are of, that they change nothing, when they cannot be."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from daseg.config.load import load_config
from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.train import train
from daseg.hooks import LabelFreeScoresHook
from daseg.registry import DATASETS, MODELS
from daseg.utils.errors import ConfigError

EQUAL_CROPS = """
train_dataloader['dataset']['target']['pipeline'][2].update(crop_size=(32, 32))
model['objectives'] = [
    dict(type='Supervised'), dict(type='ClassMix', confidence=0.4), model['objectives'][2]]
train_cfg.update(max_iters=4, val_interval=2)
default_hooks['checkpoint'].update(interval=2)
train_dataloader['dataset']['target'].update(num_samples=7)
"""
SOURCE_ONLY = """
train_dataloader.update(
    dataset=train_dataloader['dataset']['source'], sampler=dict(type='EndlessSampler'))
model['objectives'] = [dict(type='Supervised')]
del optim_wrapper['discriminators']
train_cfg.update(max_iters=1)
"""
HOOK = "custom_hooks.append(dict(type='LabelFreeScoresHook', images=4))\n"
KEYS = ["entropy", "information", "flip_agreement", "teacher_agreement"]


def scalars(work_dir):
    (file,) = work_dir.glob("*/vis_data/scalars.json")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return [row for row in rows if "mIoU" in row]


def network(model, state, prefix):
    built = MODELS.build(model.segmentor).eval()
    own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    built.load_state_dict(own)
    return built


def test_they_stand_beside_the_miou_and_the_run_is_the_one_without(gan_config, tiny_data, tmp_path):
    plain, watched = gan_config(EQUAL_CROPS), gan_config(EQUAL_CROPS + HOOK, name="watched")
    train(plain, work_dir=tmp_path / "plain")
    train(watched, work_dir=tmp_path / "watched")
    for iteration in (2, 4):
        files = [tmp_path / f"{run}/iter_{iteration}.pth" for run in ("plain", "watched")]
        one, other = (read_checkpoint(file) for file in files)
        assert one["state_dict"].keys() == other["state_dict"].keys()
        for key, value in one["state_dict"].items():
            assert torch.equal(value, other["state_dict"][key]), key
    reports = [(tmp_path / f"{run}/report.json").read_text() for run in ("plain", "watched")]
    labels = [json.loads(report)["target_train_labels_opened"] for report in reports]
    assert labels[0] == labels[1] > 0  # the source has the same images here

    rows = scalars(tmp_path / "watched")
    assert [row["step"] for row in rows] == [2, 4]
    names = [name for name in rows[0] if name.startswith("labelfree_")]
    assert sorted(names) == sorted(f"labelfree_{key}" for key in KEYS)
    (file,) = (tmp_path / "watched").glob("*/vis_data/scalars.json")
    shares = [row for row in map(json.loads, file.open()) if "labelfree_share/left" in row]
    assert [row.pop("step") for row in shares] == [2, 4]
    assert [sum(row.values()) for row in shares] == pytest.approx([1, 1])
    before = scalars(tmp_path / "plain")
    assert [row["mIoU"] for row in before] == [row["mIoU"] for row in rows]

    # The scores of the last validation once more, from the checkpoint and the image files.
    target = DATASETS.build(dict(load_config(watched).train_dataloader.dataset.target))
    files = [tiny_data / f"images/{target.names[at]}.png" for at in (0, 1, 3, 5)]  # 4 of 7
    images = [cv2.imread(str(file))[..., ::-1] for file in files]
    image = torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy())
    model = load_config(watched).model
    teacher = network(model, other["state_dict"], "teacher.module.")
    student = network(model, other["state_dict"], "segmentor.")
    prob = teacher.predict(image).double().permute(0, 2, 3, 1).reshape(-1, 3).numpy()
    flipped = teacher.predict(image.flip(3)).flip(3).permute(0, 2, 3, 1).reshape(-1, 3).numpy()
    own = student.predict(image).permute(0, 2, 3, 1).reshape(-1, 3).numpy()
    entropy = -(prob * np.log(prob)).sum(1).mean() / np.log(3)
    mean = prob.mean(0)
    expected = dict(
        entropy=entropy,
        information=-(mean * np.log(mean)).sum() / np.log(3) - entropy,
        flip_agreement=(prob.argmax(1) == flipped.argmax(1)).mean(),
        teacher_agreement=(prob.argmax(1) == own.argmax(1)).mean(),
    )
    for key, value in expected.items():
        assert rows[-1][f"labelfree_{key}"] == pytest.approx(value, rel=1e-4, abs=1e-6), key


def test_the_best_checkpoint_can_be_chosen_by_them(gan_config, tmp_path):
    config = gan_config(EQUAL_CROPS + "model.pop('teacher_momentum')\n", name="best")
    config.write_text(
        config.read_text().replace("dict(type='ClassMix', confidence=0.4), ", "") + HOOK
    )
    options = {
        "default_hooks.checkpoint.save_best": "labelfree_information",
        "default_hooks.checkpoint.rule": "greater",
    }
    train(config, work_dir=tmp_path / "run", cfg_options=options)
    rows = scalars(tmp_path / "run")
    assert "labelfree_teacher_agreement" not in rows[0]
    best = max(rows, key=lambda row: row["labelfree_information"])["step"]
    (file,) = (tmp_path / "run").glob("best_labelfree_information_*.pth")
    assert file.name.endswith(f"iter_{best}.pth")


def test_images_of_ones_own(gan_config, tiny_data, tmp_path):
    """Source-only training, watched on a folder of images."""
    images = (
        f"dict(type='FolderDataset', root={str(tiny_data)!r}, image_dir='images', "
        "classes=['left', 'right', 'square'], "
        "pipeline=[dict(type='LoadImageFromFile'), dict(type='PackSample')])"
    )
    hook = f"custom_hooks.append(dict(type='LabelFreeScoresHook', images=99, dataset={images}))\n"
    train(gan_config(SOURCE_ONLY + hook), work_dir=tmp_path / "run")
    (row,) = scalars(tmp_path / "run")
    assert 0 <= row["labelfree_entropy"] <= 1

    without = gan_config(SOURCE_ONLY + HOOK, name="without")
    train(without, work_dir=tmp_path / "without")
    (row,) = scalars(tmp_path / "without")
    assert not any(name.startswith("labelfree_") for name in row)
    (log,) = (tmp_path / "without").glob("*/*.log")
    assert "no label-free scores: there is no target domain" in log.read_text()


def test_a_class_that_goes_is_named_once():
    hook, said = LabelFreeScoresHook(), []
    logger = SimpleNamespace(warning=said.append)
    for iteration, sky in enumerate([0.0, 0.2, 0.0, 0.0, 0.1, 0.0], start=1):
        runner = SimpleNamespace(iter=iteration, logger=logger)
        hook._warn_of_gone(runner, dict(road=1 - sky, sky=sky, rare=0.0009 if sky else 0.0))
    assert [text.split(": ")[0] for text in said] == ["iteration 3", "iteration 6"]
    assert all("sky (it had 20.0%)" in text and "rare" not in text for text in said)


def test_at_least_one_image():
    with pytest.raises(ConfigError, match=r"^LabelFreeScoresHook: images is at least 1, not 0$"):
        LabelFreeScoresHook(images=0)
