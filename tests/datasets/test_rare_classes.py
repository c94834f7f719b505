"""Rare class sampling against the numbers of DAFormer's code, and its statistics."""

import json
import os
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from daseg.cli import main
from daseg.datasets import (
    DomainPair,
    FolderDataset,
    MixedDataset,
    PairSampler,
    RareClassSampler,
    class_statistics,
)
from daseg.datasets.class_statistics import class_counts, statistics_file
from daseg.datasets.rare_classes import RareClasses
from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.train import train
from daseg.utils.errors import ConfigError, DataError
from processes import environment
from runs import same_run

NAMES = ("road", "plant", "sign", "train")
# Pixels of each class; every image has 40x50.
PIXELS = [(1500, 400, 100, 0), (1900, 50, 0, 0), (1000, 900, 40, 0), (1200, 300, 200, 0)]


def published() -> dict:
    """What the public code gives for twelve images of six classes, and their pixels."""
    path = Path(__file__).parent.parent / "fixtures/parity_fixtures_modern.json"
    known = json.loads(path.read_text())["small"]["rcs"]["cases"]
    rows = [[row.get(str(label), 0) for label in known["classes"]] for row in known["table"]]
    return dict(known, counts=np.array(rows))


@pytest.mark.parametrize("run", range(3))
def test_probabilities_and_images_are_those_of_the_public_code(run):
    known = published()
    wanted = known["runs"][run]
    names = [str(label) for label in known["classes"]]
    rare = RareClasses(
        known["counts"], known["counts"].sum(1), names, float(wanted["temperature"]), 3000
    )
    files = wanted["eligible_files_strictly_more_than_min_pixels"]
    order, chances = wanted["classes_in_reference_order_rarest_first"], "probabilities_float32"
    for label, chance in zip(order, wanted[chances], strict=True):
        at = names.index(str(label))
        # The public code computes in float32, and takes the exponential of about 100.
        assert rare.probability[at] == pytest.approx(chance, rel=3e-5)
        assert [f"img_{n:03d}.png" for n in rare.images[at]] == files[str(label)]


def make(root: Path, pixels=PIXELS) -> Path:
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    for number, row in enumerate(pixels):
        label = np.full(2000, 255, np.uint8)
        label[: sum(row)] = np.repeat(np.arange(4, dtype=np.uint8), row)
        cv2.imwrite(str(root / f"labels/{number}.png"), label.reshape(40, 50))
        cv2.imwrite(str(root / f"images/{number}.png"), np.zeros((40, 50, 3), np.uint8))
    return root


def folder(root: Path, **options) -> FolderDataset:
    return FolderDataset(root, NAMES, **options)


def test_counts_are_those_of_the_labels_and_are_kept(tmp_path, monkeypatch):
    data = folder(make(tmp_path))
    counts = class_counts(data)
    assert counts[:, :4].tolist() == [list(row) for row in PIXELS]
    assert counts[:, 255].tolist() == [2000 - sum(row) for row in PIXELS]
    monkeypatch.setattr(class_statistics, "ThreadPoolExecutor", None)  # nothing is read again
    assert np.array_equal(class_counts(folder(tmp_path)), counts)
    subset = folder(tmp_path, num_samples=2)
    assert class_counts(subset)[:, 0].tolist() == [PIXELS[int(n)][0] for n in subset.names]


def test_translated_images_have_the_counts_of_the_labels_that_they_share(tmp_path, monkeypatch):
    game, made = make(tmp_path / "game"), make(tmp_path / "made")
    shutil.rmtree(made / "labels")
    counts = class_counts(folder(game))
    monkeypatch.setattr(class_statistics, "ThreadPoolExecutor", None)  # nothing is read again
    translated = folder(made, label_root=game)
    assert np.array_equal(class_counts(translated), counts)
    both = RareClassSampler(MixedDataset([folder(game), translated]), 0.05, 150, seed=0).rare
    assert [images.tolist() for images in both.images[1:3]] == [[0, 2, 3, 4, 6, 7], [3, 7]]


def test_a_label_that_has_changed_is_counted_again(tmp_path):
    data = folder(make(tmp_path))
    class_counts(data)
    label = np.full((40, 50), 3, np.uint8)
    cv2.imwrite(str(tmp_path / "labels/2.png"), label)
    os.utime(tmp_path / "labels/2.png", (1, 1))
    counts = class_counts(data)
    assert counts[2, :4].tolist() == [0, 0, 0, 2000]
    assert counts[0, :4].tolist() == list(PIXELS[0])
    other = FolderDataset(tmp_path, NAMES[:2], id_map={0: 0, 1: 1, 2: 1, 3: 0})
    assert statistics_file(other) != statistics_file(data)
    assert class_counts(other)[2, 0] == 2000


def test_a_broken_file_of_statistics_is_made_anew_and_a_locked_one_is_no_error(
    tmp_path, monkeypatch
):
    data = folder(make(tmp_path / "data"))
    class_counts(data)
    statistics_file(data).write_text('{"0": [1, 2')
    assert class_counts(data)[0, 0] == 1500
    assert json.loads(statistics_file(data).read_text())["0"][2]["0"] == 1500
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DASEG_CACHE", str(tmp_path / "file"))
    assert class_counts(data)[0, 0] == 1500


def test_a_class_without_images_is_left_out_with_a_word(tmp_path):
    sampler = RareClassSampler(folder(make(tmp_path)), 0.05, 150, seed=0)
    rare = sampler.rare
    assert (rare.left_out, rare.absent) == ([], ["train"])
    assert [images.tolist() for images in rare.images] == [[0, 1, 2, 3], [0, 2, 3], [3], []]
    none = RareClassSampler(folder(tmp_path), 0.05, 200, seed=0).rare
    assert none.left_out == ["sign"]  # exactly 200 pixels are not more than 200
    assert "no image has more than 200 pixels of sign" in none.notes()[0]
    # The others are drawn in the same proportion to each other.
    assert none.probability[2] == 0
    both = rare.probability[:2] / rare.probability[:2].sum()
    assert none.probability[:2] == pytest.approx(both)
    with pytest.raises(DataError, match=r"more than 2000 pixels of any class: lower min_pixels"):
        RareClassSampler(folder(tmp_path), min_pixels=2000, seed=0)


def test_a_share_of_the_pixels_holds_for_images_of_any_size(tmp_path):
    data = folder(make(tmp_path))
    share = RareClassSampler(data, 0.05, min_share=0.0749, seed=0).rare  # of 2000: 149.8
    assert [images.tolist() for images in share.images] == [[0, 1, 2, 3], [0, 2, 3], [3], []]


def test_draws_follow_the_probabilities_and_depend_on_the_position_alone(tmp_path):
    data = folder(make(tmp_path))
    sampler = RareClassSampler(data, 0.2, 30, seed=4)
    drawn = list(islice(sampler, 4000))
    for train_id, chance in enumerate(sampler.rare.probability):
        seen = sum(place.draw_class == train_id for place in drawn) / 4000
        assert seen == pytest.approx(chance, abs=4 * (chance * (1 - chance) / 4000) ** 0.5 + 1e-9)
    assert all(PIXELS[place.index][place.draw_class] > 30 for place in drawn)
    signs = [place.index for place in drawn if place.draw_class == 2]
    assert all(signs.count(n) == pytest.approx(len(signs) / 3, rel=0.2) for n in (0, 2, 3))
    for rank in range(3):
        one = RareClassSampler(data, 0.2, 30, seed=4, rank=rank, world_size=3)
        one.start_at(9)
        assert list(islice(one, 5)) == drawn[9 + rank :: 3][:5]


def test_a_mixture_is_drawn_from_by_its_weights(tmp_path):
    first = folder(make(tmp_path / "a"))
    second = folder(make(tmp_path / "b", [(0, 1000, 1000, 0)] * 2))
    plain = RareClassSampler(MixedDataset([first, second]), 0.5, 30, seed=0).rare
    pixels = np.array(PIXELS).sum(0) + [0, 2000, 2000, 0]
    assert plain.shares == pytest.approx(pixels / pixels.sum())
    weighted = RareClassSampler(MixedDataset([first, second], [1, 3]), 0.5, 30, seed=0)
    signs = [p.index for p in islice(weighted, 6000) if p.draw_class == 2]
    # An image of the second has 3/4 / 2, one of the first 1/4 / 4 of the chances: six times.
    each = [signs.count(n) for n in (0, 2, 3, 4, 5)]
    assert sum(each) == len(signs)
    assert sum(each[3:]) / sum(each[:3]) == pytest.approx(6 * 2 / 3, rel=0.15)


def test_a_pair_draws_its_source_for_classes(tmp_path):
    make(tmp_path)
    side = dict(type="FolderDataset", root=str(tmp_path), classes=NAMES)
    pair = DomainPair(side, side)
    draws = dict(type="RareClassSampler", temperature=0.1, min_pixels=30)
    sampler = PairSampler(pair, seed=3, source_sampler=draws)
    sampler.start_at(4)
    pairs = list(islice(sampler, 20))
    plain = PairSampler(pair, seed=3)
    plain.start_at(4)
    assert [p.target for p in pairs] == [p.target for p in islice(plain, 20)]
    assert {p.source.draw_class for p in pairs} <= {0, 1, 2}
    assert pair[pairs[0]]["source"]["meta"]["draw_class"] == pairs[0].source.draw_class
    with pytest.raises(ConfigError, match="there is no source domain"):
        PairSampler(DomainPair(None, side), seed=3, source_sampler=draws)


def test_settings_out_of_range_and_foreign_data_are_refused(tmp_path):
    data = folder(make(tmp_path))
    with pytest.raises(ConfigError, match="temperature is above 0, not 0"):
        RareClassSampler(data, 0, seed=0)
    with pytest.raises(ConfigError, match="min_share < 1, got 3000 and 1"):
        RareClassSampler(data, min_share=1, seed=0)
    with pytest.raises(DataError, match="no labels whose classes could be counted"):
        RareClassSampler(folder(tmp_path, labels=False), seed=0)
    with pytest.raises(ConfigError, match="derive the data set from SegDataset"):
        RareClassSampler([1, 2], seed=0)


def test_check_data_shows_how_often_classes_are_drawn_for(tmp_path, capsys, monkeypatch):
    make(tmp_path / "data")
    config = tmp_path / "config.py"
    config.write_text(
        "data = dict(type='FolderDataset', root='data', classes=['road', 'plant', 'sign', 'train'],"
        " pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadLabel'), "
        "dict(type='PackSample')])\n"
        "model = dict(type='DomainAdapter', segmentor=dict(type='Segmentor', num_classes=4,"
        " backbone=dict(type='ResNet', depth=18), head=dict(type='DeepLabV2Head')),"
        " objectives=[dict(type='Supervised')])\n"
        "train_dataloader = dict(batch_size=1, num_workers=0,"
        " collate_fn=dict(type='collate'), dataset=dict(type='DomainPair', source=data,"
        " target=data), sampler=dict(type='PairSampler', source_sampler=dict("
        "type='RareClassSampler', temperature=0.05, min_pixels=200)))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["daseg", "check-data", "config.py", "--may-lack", "train",
                                     "--plot", "classes.png"])  # fmt: skip
    with pytest.raises(SystemExit) as end:
        main()
    shown = capsys.readouterr().out
    assert end.value.code == 0, shown
    assert "images (> 200 pixels)" in shown
    assert "no image has more than 200 pixels of sign: nothing is drawn for them" in shown
    assert cv2.imread("classes.png") is not None


RARE = """
train_dataloader['sampler'] = dict(type='PairSampler', source_sampler=dict(
    type='RareClassSampler', temperature=0.1, min_pixels=20))
train_dataloader['dataset']['source']['pipeline'][2].update(class_pixels=60)
"""


@pytest.mark.slow
def test_a_run_that_draws_rare_classes_resumes_exactly(gan_config, tmp_path):
    config = gan_config(RARE)
    options = {"train_dataloader.num_workers": 2}
    train(config, work_dir=tmp_path / "whole", cfg_options=options)
    half = options | {"train_cfg.max_iters": 3, "param_scheduler.0.end": 6}
    train(config, work_dir=tmp_path / "halves", cfg_options=half)
    train(config, work_dir=tmp_path / "halves", resume=True, cfg_options=options)
    same_run(tmp_path / "whole/iter_6.pth", tmp_path / "halves/iter_6.pth")
    assert (tmp_path / "whole/class_sampling.txt").read_text().count("|") > 10
    assert cv2.imread(str(tmp_path / "whole/class_sampling.png")) is not None


@pytest.mark.slow
def test_two_processes_count_once_and_draw_what_one_draws(gan_config, tmp_path, monkeypatch):
    """A batch of 2 of one process is a batch of 1 of each of two: the same samples in each step."""
    monkeypatch.setenv("DASEG_CACHE", str(tmp_path / "cache"))
    alone = "model.update(teacher_momentum=None, objectives=[dict(type='Supervised')])\n"
    alone += "del optim_wrapper['discriminators']\n"
    alone += "model['segmentor']['head']['dropout'] = 0\n"  # whose draws are each process's own
    config = gan_config(RARE + alone, norm="gn")
    command = [sys.executable, "-m", "daseg", "train", str(config)]
    for name, further in (("one", []), ("two", ["--gpus", "2"])):
        words = [*command, "--work-dir", str(tmp_path / name), *further, "--cfg-options"]
        batch = 1 if further else 2
        options = [f"train_dataloader.batch_size={batch}", "train_dataloader.num_workers=0"]
        done = subprocess.run([*words, *options], capture_output=True, text=True, check=False,
                              cwd=tmp_path, env=environment())  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "cache/class_statistics").glob("*.json"))) == 1
    one, two = (read_checkpoint(tmp_path / name / "iter_6.pth") for name in ("one", "two"))
    for key, value in one["state_dict"].items():
        torch.testing.assert_close(two["state_dict"][key], value, rtol=1e-4, atol=1e-5)
