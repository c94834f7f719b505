"""AutoAugment, RandAugment, TrivialAugment: labels follow, policies are the published ones."""

import pickle
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from daseg.datasets import CamVid, EndlessSampler, SampleIndex, collate
from daseg.datasets.auto_augment import (
    COLOURS,
    GEOMETRIC,
    AutoAugment,
    RandAugment,
    TrivialAugmentWide,
)
from daseg.datasets.pipeline import Pipeline
from daseg.registry import TRANSFORMS
from daseg.utils.errors import ConfigError

TORCHVISION = v2.AutoAugment.__mro__[1]  # the base of the three, which applies the operations
POLICIES = ("imagenet", "cifar10", "svhn")
CONFIGS = [dict(type="AutoAugment", policy=policy) for policy in POLICIES]
CONFIGS += [dict(type="RandAugment"), dict(type="TrivialAugmentWide")]
each = pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.get("policy", c["type"]))
H, W, FIRST = 36, 60, 1000
FILL = (7, 200, 99)  # RGB; no pixel of `coordinates` has it


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def applied(monkeypatch) -> list[tuple[str, float, str]]:
    """Names, strengths and pictures' modes of all operations that torchvision makes."""
    calls, apply = [], TORCHVISION._apply_image_or_video_transform

    def note(self, image: Any, name: str, magnitude: float, *args: Any, **options: Any) -> Any:
        calls.append((name, magnitude, image.mode))
        return apply(self, image, name, magnitude, *args, **options)

    monkeypatch.setattr(TORCHVISION, "_apply_image_or_video_transform", note)
    return calls


@pytest.fixture
def no_colours(monkeypatch) -> None:
    """Let operations on colours do nothing, so that colours go on telling where they are from."""
    apply = TORCHVISION._apply_image_or_video_transform

    def geometry(self, image: Any, name: str, *args: Any, **options: Any) -> Any:
        return image if name in COLOURS else apply(self, image, name, *args, **options)

    monkeypatch.setattr(TORCHVISION, "_apply_image_or_video_transform", geometry)


def coordinates() -> dict[str, Any]:
    """Every pixel says where it is from: blue = y, green = x, label = FIRST + W * y + x."""
    y, x = np.mgrid[:H, :W]
    image = np.stack([y, x, 0 * x], axis=-1).astype(np.uint8)
    return dict(img=image, gt_seg_map=(FIRST + W * y + x).astype(np.int32))


def noise(seed: int = 0, classes: tuple[int, ...] = (0, 3, 18, 255)) -> dict[str, Any]:
    """A picture of all colours, and a label of some classes."""
    rng = np.random.default_rng(seed)
    image = cv2.resize(rng.integers(0, 256, (9, 15, 3)).astype(np.uint8), (W, H))
    image[:2, :2], image[-2:, -2:] = 0, 255
    return dict(img=image, gt_seg_map=rng.choice(classes, (H, W)).astype(np.uint8))


@each
def test_only_labels_that_were_there_and_ignored_ones(config) -> None:
    augment, before, changed, ignored = TRANSFORMS.build(config), noise(), 0, 0
    before["gt_seg_map"][before["gt_seg_map"] == 255] = 3  # so that 255 comes from outside
    for _ in range(1000):
        after = augment(dict(before))
        label = after["gt_seg_map"]
        assert set(np.unique(label)) <= {0, 3, 18, 255}
        assert (label.dtype, label.shape) == (np.uint8, (H, W))
        assert (after["img"].dtype, after["img"].shape) == (np.uint8, (H, W, 3))
        assert after["img"].flags.c_contiguous
        assert label.flags.writeable
        changed += not np.array_equal(after["img"], before["img"])
        ignored += bool((label == 255).any())
    assert changed > 500
    assert 100 < ignored < 900
    assert 255 not in before["gt_seg_map"]  # the caller's own arrays are left alone
    np.testing.assert_array_equal(before["img"], noise()["img"])


@each
def test_no_pixel_is_misaligned(config, no_colours) -> None:
    augment = TRANSFORMS.build(dict(config, interpolation="nearest", image_fill=FILL))
    moved = 0
    for _ in range(1000):
        after = augment(coordinates())
        image, label = after["img"], after["gt_seg_map"]
        outside = label == 255
        y, x = np.divmod(label[~outside] - FIRST, W)
        np.testing.assert_array_equal(image[~outside], np.stack([y, x, 0 * x], axis=-1))
        assert (image[outside] == FILL[::-1]).all()
        moved += not np.array_equal(label, coordinates()["gt_seg_map"])
    assert moved > 100


@each
def test_smooth_images_stay_aligned_but_for_the_borders(config, no_colours) -> None:
    augment, inside = TRANSFORMS.build(dict(config, image_fill=FILL)), 0
    for _ in range(1000):
        after = augment(coordinates())
        outside = (after["gt_seg_map"] == 255).astype(np.uint8)
        outside[[0, 1, -2, -1]], outside[:, [0, 1, -2, -1]] = 1, 1  # filled there before it moved
        kept = cv2.dilate(outside, np.ones((5, 5), np.uint8)) == 0
        y, x = np.divmod(after["gt_seg_map"][kept] - FIRST, W)
        image = after["img"][kept].astype(int)
        assert np.abs(image - np.stack([y, x, 0 * x], axis=-1)).max(initial=0) <= 2
        inside += kept.sum()
    assert inside > 300 * H * W  # of 1000


def test_colours_do_not_change_where_labels_go(monkeypatch) -> None:
    def labels() -> list[np.ndarray]:
        torch.manual_seed(5)
        return [augment(coordinates())["gt_seg_map"] for _ in range(100)]

    augment = RandAugment()
    with_colours, apply = labels(), TORCHVISION._apply_image_or_video_transform

    def geometry(self, image: Any, name: str, *args: Any) -> Any:
        return image if name in COLOURS else apply(self, image, name, *args)

    monkeypatch.setattr(TORCHVISION, "_apply_image_or_video_transform", geometry)
    np.testing.assert_array_equal(with_colours, labels())


@each
def test_the_image_is_what_torchvision_makes_of_it(config, applied) -> None:
    """But for Solarize, which starts at 256 here."""
    options = {k: v for k, v in config.items() if k != "type"}
    if "policy" in options:
        options["policy"] = v2.AutoAugmentPolicy(options["policy"])
    fill, mode = [124, 116, 104], v2.InterpolationMode.BILINEAR
    theirs = getattr(v2, config["type"])(interpolation=mode, fill=fill, **options)
    ours, compared = TRANSFORMS.build(config), set()
    for draw in range(400):
        torch.manual_seed(draw)
        before = noise(draw)
        mine = ours(dict(before))["img"][..., ::-1]
        applied.clear()
        torch.manual_seed(draw)
        expected = np.asarray(theirs(Image.fromarray(before["img"][..., ::-1].copy())))
        names = {name for name, *_ in applied}
        if "Solarize" not in names:
            np.testing.assert_array_equal(mine, expected)
            compared |= names
    assert len(compared) >= 9


@pytest.mark.parametrize("policy", POLICIES)
def test_the_sub_policies_are_torchvisions(policy) -> None:
    theirs = v2.AutoAugment(v2.AutoAugmentPolicy(policy))._policies
    assert AutoAugment(policy).augmentation._policies == theirs
    assert len(theirs) == 25
    without = AutoAugment(policy, geometric=False).augmentation._policies
    assert without == [p for p in theirs if not {op for op, *_ in p} & GEOMETRIC]


# Zheng and Yang's: operation and strength, twice; probabilities. Only colours.
PUBLISHED = """
solarize 5 autocontrast 5 .6 .6 | equalize 8 equalize 3 .8 .6 | posterize 7 posterize 6 .6 .6
equalize 7 solarize 4 .4 .2 | solarize 3 equalize 7 .6 .6 | posterize 5 equalize 2 .8 1
equalize 8 posterize 6 .6 .4 | equalize 7 equalize 8 0 .8 | invert 4 equalize 8 .6 1
color 4 contrast 8 .6 1 | color 8 solarize 7 .8 .8 | sharpness 7 invert 8 .4 .6
color 0 equalize 3 .4 .6 | equalize 7 solarize 4 .4 .2 | solarize 5 autocontrast 5 .6 .6
invert 4 equalize 8 .6 1 | color 4 contrast 8 .6 1 | equalize 8 equalize 3 .8 .6"""


def published(image: np.ndarray) -> np.ndarray:
    """One draw of that policy, on an RGB image; draws are made in the order of `AutoAugment`."""
    pairs = [words.split() for line in PUBLISHED.split("\n") for words in line.split("|") if words]
    assert len(pairs) == 18
    first, strength, second, other, *probabilities = pairs[int(torch.randint(18, ()))]
    operations = [(first, int(strength)), (second, int(other))]
    for (name, level), probability in zip(operations, probabilities, strict=True):
        if torch.rand(()) <= float(probability):
            image = operate(image, name, level)
    return image


def operate(image: np.ndarray, name: str, level: int) -> np.ndarray:
    if name == "solarize":
        return np.where(image < np.linspace(256, 0, 10)[level], image, 255 - image)
    if name == "posterize":
        return image & (256 - 2 ** (8 - round(np.linspace(8, 4, 10)[level])))
    if name == "invert":
        return 255 - image
    picture = Image.fromarray(image.astype(np.uint8))
    if name in ("equalize", "autocontrast"):
        return np.asarray(getattr(ImageOps, name)(picture)).astype(int)
    strength = float(torch.linspace(0, 0.9, 10)[level])  # of single precision, as torchvision's
    strength *= -1 if torch.rand(()) <= 0.5 else 1
    return np.asarray(getattr(ImageEnhance, name.title())(picture).enhance(1 + strength)).astype(
        int
    )


def test_without_geometry_it_is_the_policy_of_seg_uncertainty() -> None:
    augment, changed = AutoAugment(geometric=False), 0
    for draw in range(500):
        before = noise(draw)
        torch.manual_seed(draw)
        after = augment(dict(before))
        torch.manual_seed(draw)
        expected = published(before["img"][..., ::-1].astype(int))
        np.testing.assert_array_equal(after["img"][..., ::-1], expected)
        changed += not np.array_equal(after["img"], before["img"])
    assert changed > 300


@each
def test_without_geometry_nothing_moves(config, applied) -> None:
    augment, before = TRANSFORMS.build(dict(config, geometric=False)), noise()
    for _ in range(1000):
        np.testing.assert_array_equal(augment(dict(before))["gt_seg_map"], before["gt_seg_map"])
    names = {name for name, *_ in applied}
    assert names <= COLOURS
    assert len(names) >= 3
    late = dict(before, seg_map_path="a.png", ori_shape=(H, W), label_reader=Reader())
    TRANSFORMS.build(dict(type="LoadLabel"))(augment(late))


class Reader:
    def read(self, path: str) -> np.ndarray:
        return np.zeros((H, W), np.uint8)


@each
def test_a_label_that_is_loaded_too_late_is_refused(config) -> None:
    steps = [TRANSFORMS.build(config), TRANSFORMS.build(dict(type="LoadLabel"))]
    results = dict(img=noise()["img"], seg_map_path="a.png", ori_shape=(H, W))
    with pytest.raises(ConfigError, match=r"augmentation that moves the image.*right after LoadIm"):
        steps[1](steps[0](results | dict(label_reader=Reader())))


def test_no_strength_no_change(applied) -> None:
    augment, before, unchanged = RandAugment(num_ops=1, magnitude=0), noise(), set()
    assert before["img"].min() == 0
    assert before["img"].max() == 255  # so that the weakest threshold matters
    for _ in range(1000):
        applied.clear()
        after = augment(dict(before))
        (name,) = {name for name, *_ in applied}
        if name not in ("AutoContrast", "Equalize"):
            np.testing.assert_array_equal(after["img"], before["img"], err_msg=name)
            np.testing.assert_array_equal(after["gt_seg_map"], before["gt_seg_map"], err_msg=name)
            unchanged.add(name)
    assert unchanged == (GEOMETRIC | COLOURS) - {"AutoContrast", "Equalize", "Invert"}


def test_options_reach_their_place(applied) -> None:
    RandAugment(num_ops=5, magnitude=2, num_magnitude_bins=3, geometric=False)(noise())
    assert len(applied) == 5
    for _ in range(200):
        TrivialAugmentWide(num_magnitude_bins=2)(noise())
    assert {abs(m) for name, m, _ in applied if name == "Rotate"} == {0, 135}


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64])
def test_every_map_of_labels_follows_and_keeps_its_type(dtype) -> None:
    augment = TRANSFORMS.build(dict(type="RandAugment", num_ops=3))
    for _ in range(50):
        before = noise(classes=(0, 1, 2))
        label = before["gt_seg_map"]
        more = dict(pseudo=label.astype(dtype), absent=None, seg_fields=["gt_seg_map", "pseudo"])
        after = augment(before | more | dict(seg_fields=["gt_seg_map", "pseudo", "absent"]))
        assert after["pseudo"].dtype == dtype
        np.testing.assert_array_equal(after["pseudo"], after["gt_seg_map"])
        assert after["absent"] is None
    assert (after["gt_seg_map"] != label).any()


def test_a_target_has_no_label() -> None:
    for results in (dict(img=noise()["img"]), dict(img=noise()["img"], gt_seg_map=None)):
        after = RandAugment()(dict(results))
        assert after["img"].shape == (H, W, 3)
        assert after.get("gt_seg_map") is None


@pytest.mark.parametrize("order", [1, -1])
def test_before_and_after_the_crop(order) -> None:
    steps = [dict(type="RandAugment"), dict(type="RandomCrop", crop_size=(20, 30))]
    pipeline = Pipeline(steps[::order])
    for _ in range(50):
        after = pipeline(noise())
        assert after["img"].shape == (20, 30, 3)
        assert after["gt_seg_map"].shape == (20, 30)
        assert set(np.unique(after["gt_seg_map"])) <= {0, 3, 18, 255}


def samples(root: Path, workers: int) -> list[dict[str, Any]]:
    augment = [dict(type="RandAugment"), dict(type="AutoAugment", policy="svhn")]
    augment += [dict(type="TrivialAugmentWide")]
    load = [dict(type="LoadImageFromFile"), dict(type="LoadLabel")]
    dataset = CamVid(root, pipeline=[*load, *augment, dict(type="PackSample")])
    sampler = EndlessSampler(dataset, seed=3, rank=0, world_size=1)
    loader = DataLoader(
        dataset, batch_size=2, sampler=sampler, num_workers=workers, collate_fn=collate
    )
    return list(islice(loader, 5))


def test_a_sample_depends_on_its_place_alone(make_camvid) -> None:
    root = make_camvid(4, size=(16, 24))
    torch.manual_seed(1)
    alone = samples(root, workers=0)
    torch.manual_seed(2)
    for mine, other in zip(alone, samples(root, workers=1), strict=True):
        assert torch.equal(mine["image"], other["image"])
        assert torch.equal(mine["label"], other["label"])
    first = {bytes(batch["image"][0].numpy().tobytes()) for batch in alone}
    assert len(first) == 5  # four images: the fifth batch has seen ones in another look


def test_places_differ_and_come_again(make_camvid) -> None:
    dataset = CamVid(
        make_camvid(1, size=(16, 24)),
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="RandAugment"),
            dict(type="PackSample"),
        ],
    )
    first, again, other = (dataset[SampleIndex(0, place)]["image"] for place in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_transform_goes_to_another_process() -> None:
    for config in CONFIGS:
        augment = pickle.loads(pickle.dumps(TRANSFORMS.build(dict(config, geometric=False))))
        assert augment(noise())["img"].shape == (H, W, 3)
        assert repr(augment).startswith(f"{config['type']}(geometric=False, ")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (dict(type="AutoAugment", policy="city"), "policy is one of imagenet, cifar10, svhn, not"),
        (dict(type="AutoAugment", interpolation="lanczos"), "interpolation is one of nearest, bil"),
        (dict(type="AutoAugment", image_fill=(1, 2)), r"image_fill is RGB, .* got \(1, 2\)"),
        (dict(type="RandAugment", magnitude=31), "0 <= magnitude < num_magnitude_bins, got 2, 31"),
        (dict(type="RandAugment", num_ops=0), "RandAugment needs num_ops >= 1"),
        (dict(type="TrivialAugmentWide", num_magnitude_bins=1), "num_magnitude_bins >= 2, got 1"),
    ],
)
def test_what_cannot_work_is_refused(config, message) -> None:
    with pytest.raises(ConfigError, match=message):
        TRANSFORMS.build(config)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (dict(img=np.zeros((H, W, 3), np.float32)), r"\(36, 60, 3\) float32: put it before"),
        (dict(img=np.zeros((H, W), np.uint8)), r"\(36, 60\) uint8"),
        (dict(gt_seg_map=np.zeros((H, 3), np.uint8)), r"its gt_seg_map \(36, 3\).*LoadLabel"),
        (dict(seg_fields=["sure"], sure=np.zeros((H, W), np.float32)), "sure is float32"),
        (dict(gt_seg_map=np.zeros((H, W), np.int8)), "gt_seg_map is int8.*up to 255"),
    ],
)
def test_what_it_cannot_change_is_refused(changed, message) -> None:
    with pytest.raises(ConfigError, match=message):
        RandAugment()(noise() | changed)


@pytest.mark.parametrize(
    ("owner", "hook"),
    [
        (TORCHVISION, "_apply_image_or_video_transform"),
        (TORCHVISION, "_get_random_item"),
        (v2.AutoAugment, "_get_policies"),
    ],
)
def test_a_torchvision_without_the_hooks_is_refused(owner, hook, monkeypatch) -> None:
    monkeypatch.delattr(owner, hook)
    with pytest.raises(ConfigError, match=rf"torchvision [\d.]+\S* lacks {hook}.*0\.21 to"):
        TrivialAugmentWide()


def test_a_new_operation_of_torchvision_is_refused(monkeypatch) -> None:
    warp = {"Warp": (lambda bins, height, width: None, False)}
    monkeypatch.setattr(v2.RandAugment, "_AUGMENTATION_SPACE", warp)
    with pytest.raises(ConfigError, match=r"torchvision .* has an operation Warp"):
        RandAugment()(noise())
