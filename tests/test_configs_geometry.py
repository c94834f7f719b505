"""All pipelines of the configs are legal: whole images in testing, labels that follow."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from daseg.config.load import load_config
from daseg.datasets import FolderDataset
from daseg.datasets.check import dataset_configs
from daseg.datasets.probe.follow import check_labels_follow
from daseg.datasets.probe.preview import check_whole
from daseg.utils.errors import ConfigError
from perfect import CLASSES, COLOURS, street

ROOT = Path(__file__).parents[1]
SIZES = dict(Cityscapes=(1024, 2048), GTA5=(1052, 1914), SYNTHIA=(760, 1280), CamVid=(360, 480))
SIZES |= dict(ACDC=(1080, 1920), DarkZurich=(1080, 1920), FolderDataset=(480, 640))


def pipelines() -> Iterator[tuple[str, str, Any]]:
    """Which data set, "train" or "val" or "test", and each pipeline of the configs once."""
    seen = []
    for path in sorted((ROOT / "configs").rglob("*.py")):
        if {"_base_", "studies", "worlds"} & set(path.parts):
            continue
        cfg = load_config(path)
        for split in ("train", "val", "test"):
            for leaf in dataset_configs((cfg.get(f"{split}_dataloader") or {}).get("dataset")):
                found = (leaf["type"], split.replace("test", "val"), leaf.get("pipeline"))
                if found[2] and found not in seen:
                    seen.append(found)
    yield from seen


@pytest.fixture(scope="module")
def found() -> list[tuple[str, str, Any]]:
    cases = list(pipelines())
    assert {split for _, split, _ in cases} == {"train", "val"}
    assert {name for name, _, _ in cases} == set(SIZES)
    assert len(cases) >= 12
    return cases


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A picture of the real size for each data set."""
    made = {}
    for name, size in SIZES.items():
        made[name] = tmp_path_factory.mktemp(name)
        for folder in ("images", "labels"):
            (made[name] / folder).mkdir()
        label = street(size, 0)
        Image.fromarray(COLOURS[label]).save(made[name] / "images/0.png", compress_level=1)
        Image.fromarray(label).save(made[name] / "labels/0.png")
    return made


@pytest.mark.slow
def test_every_pipeline_is_legal(found: list[Any], roots: dict[str, Path]) -> None:
    for name, split, pipeline in found:
        dataset = FolderDataset(roots[name], list(CLASSES), pipeline=pipeline, seed=1)
        if split == "val":
            check_whole(dataset, "val_dataloader")
            assert "moved" not in dataset[0]["meta"]
        else:
            check_labels_follow(dataset)


@pytest.mark.slow
def test_a_pipeline_for_training_is_not_one_for_testing(
    found: list[Any], roots: dict[str, Path]
) -> None:
    name, _, pipeline = next(case for case in found if "RandomCrop" in str(case[2]))
    dataset = FolderDataset(roots[name], list(CLASSES), pipeline=pipeline, seed=1)
    with pytest.raises(ConfigError):
        check_whole(dataset, "val_dataloader")
