"""Training pipelines: labels go where their images go, or the training does not begin."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform

from daseg.datasets import DomainPair, FolderDataset, MixedDataset
from daseg.datasets.firewall import take_opened
from daseg.datasets.probe.follow import check_labels_follow
from daseg.registry import TRANSFORMS
from daseg.utils.errors import ConfigError
from perfect import CLASSES, LABEL, LOAD, PACK, draw_streets, third_party

CROP = dict(type="RandomCrop", crop_size=(64, 64))
PAD = dict(type="Pad", size=(200, 160), pad_val=dict(img=0, seg=255))


@TRANSFORMS.register_module(force=True)
class MirrorsTheLabel(BaseTransform):
    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        results["gt_seg_map"] = results["gt_seg_map"][:, ::-1]
        return results


@TRANSFORMS.register_module(force=True)
class SaysOneScale(BaseTransform):
    """As transforms of other packages do: a number for both sides."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        return results | dict(scale_factor=0.5)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_streets(tmp_path_factory.mktemp("streets"), count=8, size=(96, 128))


def dataset_of(root: Path, *steps: Any, **options: Any) -> FolderDataset:
    return FolderDataset(root, list(CLASSES), pipeline=[LOAD, LABEL, *steps, PACK], **options)


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [CROP],
        [dict(type="RandomFlip", prob=0.5), CROP],
        [dict(type="RandomResize", scale=(128, 96), ratio_range=(0.5, 2.0)), CROP],
        [dict(type="ResizePIL", scale=(64, 48))],
        [dict(type="SaysOneScale")],
        [PAD],
        [dict(type="CenterCrop", crop_size=(60, 60))],
        [dict(type="PhotoMetricDistortion")],
        *([dict(type=t)] for t in ("AutoAugment", "RandAugment", "TrivialAugmentWide")),
        *([dict(type="AutoAugment", policy=p)] for p in ("svhn", "cifar10")),
        [dict(type="RandomApply", transforms=[dict(type="RandomFlip", prob=1.0)], prob=0.5)],
        [dict(type="RandomGrayscale", prob=0.5, keep_channels=True)],
        [third_party("CutsOut", lambda x: _covered(x, 0.6))],
        [third_party("Solarizes", lambda x: np.where(x < 110, x, 255 - x))],
        [third_party("TwoLevels", lambda x: x // 128 * 255)],
        [third_party("Blackens", lambda x: x * 0)],
        [third_party("AddsNoise", lambda x: _noisy(x))],
    ],
    ids=str,
)
def test_labels_that_follow_are_no_error(root: Path, steps: list[Any]) -> None:
    for seed in range(3):
        check_labels_follow(dataset_of(root, *steps, seed=seed))


SHRINK = dict(type="RandomResize", scale=(64, 48), ratio_range=(0.75, 1.5))


@pytest.mark.parametrize("seed", range(6))
def test_images_that_shrink_by_ten_are_judged_by_a_coarser_pattern(tmp_path: Path, seed: int):
    root = draw_streets(tmp_path, count=1, size=(480, 640))
    crop = dict(type="RandomCrop", crop_size=(32, 32))
    check_labels_follow(dataset_of(root, SHRINK, crop, seed=seed))
    with pytest.raises(ConfigError, match="moves an image without its label"):
        check_labels_follow(dataset_of(root, SHRINK, dict(type="MirrorsTheLabel"), seed=seed))


def _covered(image: np.ndarray, share: float) -> np.ndarray:
    image[: int(share * len(image))] = 100
    return image


def _noisy(image: np.ndarray) -> np.ndarray:
    noise = np.random.normal(0, 30, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "step",
    [
        third_party("MirrorsTheImage", lambda x: x[:, ::-1]),
        third_party("MirrorsHalf", lambda x: x[:, ::-1] if np.random.rand() < 0.5 else x),
        third_party("TurnsTheImage", lambda x: x[::-1, ::-1]),
        third_party("RollsTheImage", lambda x: np.roll(x, 40, 1)),
        third_party("Transposed", lambda x: np.ascontiguousarray(x[::-1][:, ::-1])),
        dict(type="MirrorsTheLabel"),
        dict(
            type="KeyMapper",
            transforms=[dict(type="RandomFlip", prob=1.0)],
            mapping=dict(img="img", gt_seg_map=None),
            auto_remap=True,
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("after", [[], [CROP], [dict(type="PhotoMetricDistortion"), CROP]], ids=str)
def test_labels_that_stay_behind_are_refused(root: Path, step: Any, after: list[Any]) -> None:
    with pytest.raises(ConfigError, match=f"train_dataloader.pipeline moves .* {step['type']}"):
        check_labels_follow(dataset_of(root, step, *after))


def test_every_part_of_what_is_trained_on_is_tried(root: Path) -> None:
    wrong = dataset_of(root, third_party("MirrorsTheImage", lambda x: x[:, ::-1]))
    mixed = MixedDataset([dataset_of(root), wrong])
    pair = DomainPair(mixed, dataset_of(root, labels=False))
    with pytest.raises(ConfigError, match=r"source.datasets\[1\].pipeline moves"):
        check_labels_follow(pair)


def test_a_target_without_labels_may_be_moved_at_will(root: Path) -> None:
    target = dataset_of(root, third_party("MirrorsTheImage", lambda x: x[:, ::-1]), labels=False)
    check_labels_follow(DomainPair(dataset_of(root), target))


def test_pseudo_labels_have_to_follow_too(root: Path, tmp_path: Path) -> None:
    made = tmp_path / "pseudo"
    made.mkdir()
    (made / "labels").mkdir()
    for path in (root / "labels").iterdir():
        (made / "labels" / path.name).write_bytes(path.read_bytes())
    for step, wrong in ((CROP, False), (third_party("Mirrors", lambda x: x[:, ::-1]), True)):
        target = dataset_of(root, step, labels=False)
        pair = DomainPair(
            dataset_of(root), target, pseudo_labels=made, pseudo_labels_without_manifest=True
        )
        take_opened()
        if wrong:
            with pytest.raises(ConfigError, match=r"target\.pipeline moves"):
                check_labels_follow(pair)
        else:
            check_labels_follow(pair)
        assert take_opened() == {}


def test_no_random_number_is_lost(root: Path) -> None:
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    check_labels_follow(dataset_of(root, CROP, dict(type="AutoAugment")))
    assert states == (
        random.getstate(),
        np.random.get_state()[1].tolist(),
        torch.get_rng_state().tolist(),
    )
