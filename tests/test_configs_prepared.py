"""Whatever a packaged config does to its images, prepared ones come out bit for bit the same."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from daseg.config.load import load_config
from daseg.config.names import config_names
from daseg.datasets import FolderDataset, SampleIndex
from daseg.datasets.check import dataset_configs
from daseg.datasets.prepared.settings import folder_name, settings_of
from daseg.offline.prepare import Preparation

CLASSES = [str(number) for number in range(19)]


def pipelines() -> dict[str, tuple[str, dict[str, Any]]]:
    """The different pipelines of training and testing, by their text, with a config of each."""
    found = {}
    for name in config_names():
        if name.startswith(("studies/", "worlds/")):
            continue
        cfg = load_config(name)
        for loader in ("train_dataloader", "test_dataloader"):
            for each in dataset_configs((cfg.get(loader) or {}).get("dataset")):
                options = dict(pipeline=each["pipeline"], labels=each.get("labels", True))
                key = json.dumps(options, sort_keys=True, default=str)
                found.setdefault(key, (name, options))
    return found


@pytest.mark.slow
def test_prepared_samples_of_every_config_are_those_of_its_files(tmp_path):
    rng = np.random.default_rng(0)
    for kind, pixels in (
        ("images", rng.integers(0, 256, (360, 720, 3))),
        ("labels", rng.integers(0, 19, (45, 90)).repeat(8, 0).repeat(8, 1)),
    ):
        (tmp_path / "data" / kind).mkdir(parents=True)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"data/{kind}/one.png")
    found = pipelines()
    assert len(found) > 40
    for path, options in found.values():
        direct = FolderDataset(tmp_path / "data", CLASSES, **options)
        Preparation(direct, tmp_path / "out" / folder_name(settings_of(direct)), 1, False).run(
            0, False
        )
        quick = FolderDataset(tmp_path / "data", CLASSES, prepared=tmp_path / "out", **options)
        place = SampleIndex(0, 7, draw_class=3)
        ours, theirs = direct[place], quick[place]
        assert ours.keys() == theirs.keys(), path
        assert ours["meta"] == theirs["meta"], path
        for key in ours.keys() - {"meta"}:
            assert torch.equal(ours[key], theirs[key]), (path, key)
