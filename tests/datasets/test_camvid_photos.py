"""The real CamVid photographs, where the environment variable DASEG_CAMVID says they are."""

import os
from pathlib import Path

import pytest

from daseg.datasets import CamVid
from daseg.datasets.check import check_dataset

ROOT = Path(os.environ.get("DASEG_CAMVID", ""))
pytestmark = pytest.mark.skipif(
    "DASEG_CAMVID" not in os.environ, reason="set DASEG_CAMVID to the folder of CamVid"
)


def test_lists_hold_what_was_published() -> None:
    counts = dict(day_train=305, day_val=101, day_test=171, dusk_train=62, dusk_test=62)
    sets = {name: CamVid(ROOT, list_file=f"lists/{name}.txt") for name in counts}
    assert {name: len(dataset) for name, dataset in sets.items()} == counts
    names = [name for dataset in sets.values() for name in dataset.names]
    assert len(set(names)) == len(names) == len(CamVid(ROOT)) == 701


def test_all_dusk_files_are_sound_and_dark_cars_are_cars() -> None:
    report = check_dataset(CamVid(ROOT, list_file="lists/dusk_train.txt"), workers=2)
    assert report.problems == []
    assert report.sizes == {(480, 360): 62}
    share = report.pixels / report.pixels.sum()
    assert share[3] > 0.1  # road
    assert share[8] > share[10]  # more car than bicyclist


def test_a_sample_is_as_photographed() -> None:
    sample = CamVid(ROOT, list_file="lists/day_test.txt")[0]
    image, label = sample["image"].float(), sample["label"]
    assert sample["image"].shape == (3, 360, 480)
    assert label.shape == (360, 480)
    sky, road = (label == 0), (label == 3)
    assert image[:, sky].mean() > image[:, road].mean()
    assert sky.nonzero()[:, 0].float().mean() < road.nonzero()[:, 0].float().mean()
