"""Pipelines of tests: what only stretches keeps a perfect network's 100, all else is refused."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from daseg.datasets import FolderDataset, MixedDataset, SampleIndex
from daseg.datasets.firewall import take_opened
from daseg.datasets.probe.preview import check_whole
from daseg.utils.errors import ConfigError, UserError
from perfect import CLASSES, LABEL, LOAD, PACK, draw_streets, measured, third_party

PAD = dict(type="Pad", size=(64, 64))
LARGE = dict(type="Pad", size=(160, 128))
FLIP = dict(type="RandomFlip", prob=1.0)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_streets(tmp_path_factory.mktemp("streets"))


def dataset_of(root: Path, *steps: Any, late: bool = True, **options: Any) -> FolderDataset:
    ends = (LOAD, *steps, LABEL, PACK) if late else (LOAD, LABEL, *steps, PACK)
    return FolderDataset(root, list(CLASSES), pipeline=list(ends), **options)


def rotated(image: np.ndarray, angle: float) -> np.ndarray:
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), angle, 1)
    return cv2.warpAffine(image, turn, (width, height))


def without_sky(image: np.ndarray) -> np.ndarray:
    """Cut off the rows above that are all of the first colour; back to the size."""
    rows = np.flatnonzero((image[..., 0] != 200).any(1))
    cut = image[rows[0] :] if len(rows) else image
    return cv2.resize(cut, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)


def mirrored_in_place(image: np.ndarray) -> np.ndarray:
    image[:] = image[:, ::-1].copy()
    return image


def back(image: np.ndarray) -> np.ndarray:
    """Crop, and stretch what is left to the size of before."""
    return cv2.resize(image[4:-4, 4:-4], image.shape[1::-1])


LEGAL: dict[str, list[Any]] = {
    "nothing": [],
    "twice as large": [dict(type="Resize", scale=(128, 96), interpolation="nearest")],
    "keep_ratio": [dict(type="Resize", scale=(128, 96), keep_ratio=True, interpolation="nearest")],
    "other sides": [dict(type="ResizePIL", scale=(192, 96), interpolation="nearest")],
    "the same size": [dict(type="ResizePIL", scale=(64, 48))],
    "a pad of nothing": [dict(type="Pad", size_divisor=16)],
    "a crop of nothing": [dict(type="CenterCrop", crop_size=(64, 48))],
    "a flip that is never drawn": [dict(type="RandomFlip", prob=0.0)],
    "a random size": [dict(type="RandomResize", scale=(256, 192), ratio_range=(1.0, 2.0))],
    "floats": [third_party("AsFloat", lambda x: x.astype(np.float32))],
    "a bit darker": [third_party("Darker", lambda x: (x * 0.9).astype(np.uint8))],
}


@pytest.mark.parametrize("steps", LEGAL.values(), ids=LEGAL)
def test_a_stretch_keeps_the_number(root: Path, steps: list[Any]) -> None:
    assert measured(dataset_of(root, *steps)) == 100
    check_whole(dataset_of(root, *steps), "val_dataloader")


MOVING: dict[str, tuple[Any, str]] = {
    "pad": (PAD, "Pad"),
    "divisor": (dict(type="Pad", size_divisor=32), "Pad"),
    "one pixel of padding": (dict(type="Pad", size=(64, 49)), "Pad"),
    "grey padding": (dict(type="Pad", size=(80, 64), pad_val=dict(img=(104, 116, 124))), "Pad"),
    "reflection": (dict(type="Pad", size=(80, 64), padding_mode="reflect"), "Pad"),
    "huge padding": (dict(type="Pad", size=(640, 640)), "Pad"),
    "centre": (dict(type="CenterCrop", crop_size=(40, 32)), "CenterCrop"),
    "centre, nearly all": (dict(type="CenterCrop", crop_size=(62, 47)), "CenterCrop"),
    "window": (dict(type="RandomCrop", crop_size=(40, 40)), "RandomCrop"),
    "flip": (FLIP, "RandomFlip"),
    "vertical": (dict(type="RandomFlip", prob=1.0, direction="vertical"), "RandomFlip"),
    "apply": (dict(type="RandomApply", transforms=[PAD], prob=1.0), r"RandomApply\(Pad\)"),
    "choice": (dict(type="RandomChoice", transforms=[[PAD], [LARGE]]), "RandomChoice"),
    "mapped": (
        dict(type="KeyMapper", transforms=[PAD], mapping=dict(img="img"), auto_remap=True),
        r"KeyMapper\(Pad\)",
    ),
    "roll": (third_party("Rolls", lambda x: np.roll(x, 8, 1)), "Rolls"),
    "one pixel": (third_party("RollsOne", lambda x: np.roll(x, 1, 0)), "RollsOne"),
    "transposed": (third_party("Transposes", lambda x: x.transpose(1, 0, 2)), "Transposes"),
    "rot90": (third_party("Turns90", lambda x: np.rot90(x).copy()), "Turns90"),
    "rot180": (third_party("Turns180", lambda x: x[::-1, ::-1]), "Turns180"),
    "rot5": (third_party("Turns5", lambda x: rotated(x, 5)), "Turns5"),
    "in place": (third_party("InPlace", mirrored_in_place), "InPlace"),
    "crop and stretch": (third_party("Zooms", back), "Zooms"),
    "content": (third_party("ByContent", without_sky), "ByContent"),
    "negative mirror": (third_party("Negative", lambda x: 255 - x[:, ::-1]), "Negative"),
    "halves": (
        third_party("Halves", lambda x: np.concatenate([x[:, 32:], x[:, :32]], 1)),
        "Halves",
    ),
}


@pytest.mark.parametrize("late", [True, False], ids=["label after", "label before"])
@pytest.mark.parametrize(("step", "name"), MOVING.values(), ids=MOVING)
def test_what_moves_more_is_refused_by_name(root: Path, step: Any, name: str, late: bool) -> None:
    marked = step["type"] in ("RandomFlip", "RandomCrop") and late  # mmcv says itself what it does
    with pytest.raises(ConfigError, match="LoadLabel stands" if marked else name):
        measured(dataset_of(root, step, late=late))


def test_the_message_says_what_where_and_what_to_do(root: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        measured(dataset_of(root, dict(type="ResizePIL", scale=(128, 96)), LARGE))
    text = str(caught.value)
    assert text.startswith(
        f"{root / 'images/00.png'}: Pad turns an image of 128x96 pixels into one "
    )
    assert "into one of 160x128 pixels that is not the whole image" in text
    assert "leave out of that pipeline what pads" in text
    with pytest.raises(ConfigError, match="val_dataloader: Pad turns"):
        check_whole(dataset_of(root, PAD), "val_dataloader")


@pytest.mark.parametrize("step", [dict(type="ResizePIL", scale=(32, 24)), PAD])
def test_a_label_that_moves_along_is_refused(root: Path, step: dict[str, Any]) -> None:
    """A number of a label of half the size is not the number of the label."""
    with pytest.raises(ConfigError, match=step["type"]):
        measured(dataset_of(root, step, late=False))


def test_the_order_of_label_and_resizing_is_named(root: Path) -> None:
    step = dict(type="ResizePIL", scale=(32, 24))
    for found in (measured, lambda each: check_whole(each, "val")):
        with pytest.raises(
            ConfigError, match=r"ResizePIL changes the label of 64x48 .*LoadLabel st"
        ):
            found(dataset_of(root, step, late=False))


def test_a_label_that_is_changed_in_place_is_seen(root: Path) -> None:
    class InPlace:
        def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
            results["gt_seg_map"][:] = results["gt_seg_map"][:, ::-1].copy()
            return results

    with pytest.raises(ConfigError, match="InPlace changes the label of 64x48 pixels"):
        measured(dataset_of(root, InPlace(), late=False))


def test_names_of_classes_may_change_in_a_label(root: Path) -> None:
    """A transform that gives other numbers to classes does not move them."""

    class Renames:
        def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
            results["gt_seg_map"] = np.array([2, 1, 0], np.uint8)[results["gt_seg_map"]]
            return results

    sample = dataset_of(root, Renames(), late=False)[0]
    assert "moved" not in sample["meta"]


def test_what_is_drawn_at_random_is_looked_at_in_each_sample(root: Path) -> None:
    step = third_party("Sometimes", lambda x: x[:, ::-1] if np.random.rand() < 0.3 else x)
    dataset = dataset_of(root, step)
    drawn = []
    for seed in range(12):
        dataset.seed = seed
        for index in range(len(dataset)):
            meta = dataset[index]["meta"]
            truth = np.asarray(cv2.imread(meta["image_path"])[..., ::-1])
            same = np.array_equal(dataset[index]["image"].permute(1, 2, 0).numpy(), truth)
            assert ("moved" in meta) == (not same)
            drawn.append(same)
    assert 5 < drawn.count(False) < 30


@pytest.mark.parametrize(
    "draw",
    [np.random.rand, random.random, lambda: float(torch.rand(()))],
    ids=["numpy", "py", "torch"],
)
def test_before_a_training_several_draws_are_tried(root: Path, draw: Callable[[], float]) -> None:
    step = third_party("Seldom", lambda x: x[:, ::-1] if draw() < 0.5 else x)
    with pytest.raises(ConfigError, match="Seldom"):
        check_whole(dataset_of(root, step, seed=1), "val")


def test_colours_that_are_drawn_at_random_are_refused(root: Path) -> None:
    """Geometric operations or colours: either makes the number that of other images."""
    with pytest.raises(ConfigError, match="AutoAugment"):
        measured(dataset_of(root, dict(type="AutoAugment"), late=False))
    with pytest.raises(ConfigError, match="PhotoMetricDistortion changes images at random"):
        measured(dataset_of(root, dict(type="PhotoMetricDistortion")))


def test_a_transform_with_a_memory_is_refused(root: Path) -> None:
    seen: list[int] = []

    def every_third(image: np.ndarray) -> np.ndarray:
        seen.append(0)
        return image[:, ::-1] if len(seen) % 3 == 0 else image

    with pytest.raises(ConfigError, match="Remembers"):
        measured(dataset_of(root, third_party("Remembers", every_third)))


def test_each_size_of_image_is_looked_at(tmp_path: Path) -> None:
    """48x64 is a multiple of 16, 56x64 is not."""
    root = draw_streets(tmp_path / "data", count=2)
    other = draw_streets(tmp_path / "other", count=3, size=(56, 64))
    for folder in ("images", "labels"):
        (other / folder / "02.png").rename(root / folder / "02.png")
    dataset = dataset_of(root, dict(type="Pad", size_divisor=16))
    assert ["moved" in dataset[index]["meta"] for index in range(3)] == [False, False, True]


def test_parts_of_a_mixed_data_set_are_looked_at(root: Path) -> None:
    mixed = MixedDataset([dataset_of(root), dataset_of(root, PAD)])
    with pytest.raises(ConfigError, match="Pad"):
        measured(mixed)
    with pytest.raises(ConfigError, match="Pad"):
        check_whole(mixed, "val")


def test_training_is_free(root: Path) -> None:
    dataset = dataset_of(root, dict(type="RandomCrop", crop_size=(32, 32)), FLIP, late=False)
    assert "moved" not in dataset[SampleIndex(0, 0)]["meta"]


def test_looking_changes_nothing(root: Path) -> None:
    """Not the samples, not the random numbers around, not the count of opened labels."""
    steps = [dict(type="RandomResize", scale=(64, 48), ratio_range=(0.5, 2.0)), FLIP]
    plain, looked_at = (dataset_of(root, *steps, late=False, seed=3) for _ in range(2))
    take_opened()
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    with pytest.raises(UserError):
        check_whole(looked_at, "val")
    assert take_opened() == {}
    for index in range(3):
        place = SampleIndex(index, index)
        first, second = plain[place], looked_at[index]
        assert torch.equal(first["image"], second["image"])
        assert torch.equal(first["label"], second["label"])
    assert set(take_opened().values()) == {2}
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert states == after


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("step", "name"),
    [
        (dict(type="Normalize", mean=[0, 0, 0], std=[1, 1, 1]), "Normalize"),
        (third_party("ToRGB", lambda image: image[..., ::-1].copy()), "ToRGB"),
    ],
)
def test_red_and_blue_are_not_exchanged(root: Path, step: Any, name: str, late: bool) -> None:
    """The perfect network has an mIoU of 33 on exchanged colours."""
    before = [dict(type="Resize", scale=(90, 70))] if late else []
    data = FolderDataset(root, CLASSES, pipeline=[LOAD, *before, step, LABEL, PACK])
    with pytest.raises(ConfigError, match=f"{name} turns BGR into RGB"):
        measured(data)
    keeping = dict(type="Normalize", mean=[0, 0, 0], std=[1, 1, 1], to_rgb=False)
    assert measured(FolderDataset(root, CLASSES, pipeline=[LOAD, keeping, LABEL, PACK])) == 100
