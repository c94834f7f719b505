"""Cropping, resizing, colours, packing."""

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from daseg.datasets import LoadLabel, PackSample, PhotoMetricDistortion, RandomCrop, ResizePIL
from daseg.registry import TRANSFORMS
from daseg.utils.errors import ConfigError


def coordinates(height: int, width: int) -> dict:
    """Every pixel of image and label says where it is from: blue = y, green = x, label = y."""
    y, x = np.mgrid[:height, :width].astype(np.uint8)
    return dict(img=np.stack([y, x, 0 * x], axis=-1), gt_seg_map=y.copy())


@pytest.fixture(autouse=True)
def seed() -> None:
    np.random.seed(0)


def test_crop_moves_image_and_label_together() -> None:
    corners = set()
    for _ in range(300):
        results = RandomCrop(crop_size=(3, 5))(coordinates(6, 9))
        y, x, h, w = results["crop_box"]
        assert (h, w) == (3, 5) == results["img_shape"]
        assert results["img"].shape == (3, 5, 3)
        assert results["img"][0, 0].tolist() == [y, x, 0]
        assert results["img"][-1, -1].tolist() == [y + 2, x + 4, 0]
        assert (results["gt_seg_map"] == results["img"][..., 0]).all()
        corners.add((y, x))
    assert corners == {(y, x) for y in range(4) for x in range(5)}  # all places, borders included


def test_small_image_is_padded_right_and_below() -> None:
    results = RandomCrop(crop_size=(4, 7), image_fill=(1, 2, 3))(coordinates(2, 9))
    assert results["img"].shape == (4, 7, 3)
    assert results["img"][2:].reshape(-1, 3).tolist() == [[3, 2, 1]] * 14  # BGR of RGB (1, 2, 3)
    assert results["img"][:2, :, 0].tolist() == [[0] * 7, [1] * 7]
    assert (results["gt_seg_map"][2:] == 255).all()
    results = RandomCrop(crop_size=(2, 12))(coordinates(2, 9))
    assert (results["gt_seg_map"][:, 9:] == 255).all()
    assert results["img"][0, 9].tolist() == [104, 116, 124]


def test_crop_avoids_one_class_alone() -> None:
    label = np.zeros((40, 40), np.uint8)
    label[:, 30:] = 1  # a window of 10x10 anywhere else is all class 0
    crop = RandomCrop(crop_size=(10, 10), cat_max_ratio=0.75, tries=200)
    for _ in range(30):
        results = crop(dict(img=np.zeros((40, 40, 3), np.uint8), gt_seg_map=label))
        share = np.bincount(results["gt_seg_map"].ravel()).max() / 100
        assert share <= 0.75


def test_share_is_of_the_labelled_pixels() -> None:
    label = np.full((4, 4), 255, np.uint8)
    label[0, 0] = 3  # one labelled pixel: its class has a share of 1
    crop = RandomCrop(crop_size=(4, 4), cat_max_ratio=0.9)
    assert not crop._is_varied(label)
    label[0, 1] = 4
    assert crop._is_varied(label)
    assert RandomCrop(crop_size=(4, 4), cat_max_ratio=0.5)._is_varied(label)  # 14 of 16 ignored
    assert not crop._is_varied(np.full((4, 4), 255, np.uint8))


def test_crop_wants_distinct_values_ignore_counted() -> None:
    crop = RandomCrop(crop_size=(1, 4), min_classes=3)
    assert crop._is_varied(np.array([[0, 1, 255, 255]], np.uint8))
    assert not crop._is_varied(np.array([[0, 1, 1, 0]], np.uint8))


@pytest.mark.parametrize(("tries", "expected"), [(1, 1), (10, 10)])
def test_crop_gives_up_after_its_tries(monkeypatch, tries: int, expected: int) -> None:
    crop, seen = RandomCrop(crop_size=(2, 2), min_classes=5, tries=tries), []
    monkeypatch.setattr(crop, "_is_varied", lambda label: bool(seen.append(label)))
    crop(coordinates(6, 6))
    assert len(seen) == expected


def test_crop_without_label_takes_the_first_window() -> None:
    crop = RandomCrop(crop_size=(2, 2), cat_max_ratio=0.5, min_classes=9)
    results = coordinates(6, 6)
    del results["gt_seg_map"]
    assert "gt_seg_map" not in crop(results)


def test_crop_refuses_a_label_of_another_size() -> None:
    results = coordinates(6, 6) | dict(gt_seg_map=np.zeros((3, 3), np.uint8))
    with pytest.raises(ConfigError, match=r"the image is \(6, 6\), its label \(3, 3\)"):
        RandomCrop(crop_size=(2, 2))(results)


@pytest.mark.parametrize("options", [dict(tries=0), dict(cat_max_ratio=0)])
def test_crop_refuses_options_that_cannot_work(options: dict) -> None:
    with pytest.raises(ConfigError, match="tries >= 1"):
        RandomCrop(crop_size=(2, 2), **options)
    with pytest.raises(ConfigError, match=r"\(height, width\), two .* got \(0, 2\)"):
        RandomCrop(crop_size=(0, 2))


@pytest.mark.parametrize("name", ["bicubic", "bilinear", "lanczos", "nearest"])
def test_resize_equals_pil(name: str) -> None:
    rgb = np.random.randint(0, 256, (30, 40, 3), np.uint8)
    label = np.random.randint(0, 19, (30, 40), np.uint8)
    results = dict(img=rgb[..., ::-1].copy(), gt_seg_map=label)
    results = ResizePIL(scale=(17, 11), interpolation=name)(results)
    expected = Image.fromarray(rgb).resize((17, 11), getattr(Image.Resampling, name.upper()))
    assert (results["img"][..., ::-1] == np.asarray(expected)).all()
    expected = Image.fromarray(label).resize((17, 11), Image.Resampling.NEAREST)
    assert (results["gt_seg_map"] == np.asarray(expected)).all()
    assert results["img_shape"] == (11, 17)
    assert results["scale_factor"] == (17 / 40, 11 / 30)


def test_resize_refuses_an_unknown_filter() -> None:
    with pytest.raises(ConfigError, match="not 'cubic'"):
        ResizePIL(scale=(2, 2), interpolation="cubic")


def test_resize_without_label() -> None:
    assert "gt_seg_map" not in ResizePIL((4, 2))(dict(img=np.zeros((8, 8, 3), np.uint8)))


def distort(image: np.ndarray, **options) -> np.ndarray:
    return PhotoMetricDistortion(**options)(dict(img=image.copy()))["img"]


STILL = dict(brightness_delta=0, contrast_range=(1, 1), saturation_range=(1, 1), hue_delta=0)


def test_no_distortion_changes_nothing() -> None:
    image = np.random.randint(0, 256, (9, 9, 3), np.uint8)
    for _ in range(20):
        assert (distort(image, **STILL) == image).all()


def test_brightness_stays_in_its_range_and_happens_half_of_the_time() -> None:
    image = np.full((1, 1, 3), 100, np.uint8)
    values = [
        int(distort(image, **(STILL | dict(brightness_delta=32)))[0, 0, 0]) for _ in range(800)
    ]
    assert 68 <= min(values) < 72
    assert 128 < max(values) <= 132
    assert 0.4 < np.mean([v == 100 for v in values]) < 0.6


def test_contrast_scales_and_clips() -> None:
    image = np.array([[[20, 100, 200]]], np.uint8)
    seen = {
        tuple(distort(image, **(STILL | dict(contrast_range=(1.5, 1.5))))[0, 0]) for _ in range(40)
    }
    assert seen == {(20, 100, 200), (30, 150, 255)}


def test_saturation_leaves_grey_and_pales_colours() -> None:
    image = np.array([[[80, 80, 80], [0, 100, 200]]], np.uint8)
    seen = {
        tuple(distort(image, **(STILL | dict(saturation_range=(0.5, 0.5)))).ravel().tolist())
        for _ in range(40)
    }
    # By hand: value 200 stays, chroma 200 halves to 100, the hue (orange, 30 degrees) stays.
    assert seen == {(80, 80, 80, 0, 100, 200), (80, 80, 80, 100, 150, 200)}


def test_hue_turns_by_degrees(monkeypatch) -> None:
    monkeypatch.setattr(np.random, "uniform", lambda low, high: high)
    red = np.array([[[0, 0, 255]]], np.uint8)
    seen = {
        tuple(distort(red, **(STILL | dict(hue_delta=120))).ravel().tolist()) for _ in range(40)
    }
    assert seen == {(0, 0, 255), (0, 255, 0)}  # red, or green: 120 degrees on


def distorted_plainly(image: np.ndarray) -> np.ndarray:
    """Every step on all pixels in float32, by numpy; random numbers in the order of the class."""
    coin, uniform = (lambda: np.random.randint(2)), np.random.uniform
    image = image.astype(np.float32)
    if coin():
        image += uniform(-32, 32)
    contrast = uniform(0.5, 1.5) if coin() else 1.0
    is_first = coin()
    saturation = uniform(0.5, 1.5) if coin() else 1.0
    hue = uniform(-18, 18) if coin() else 0.0
    image = np.clip(image * contrast if is_first else image, 0, 255)
    if saturation != 1 or hue != 0:
        hsv = cv2.cvtColor(image / 255, cv2.COLOR_BGR2HSV)
        hsv[..., 0] = (hsv[..., 0] + hue) % 360
        hsv[..., 1] = np.clip(hsv[..., 1] * saturation, 0, 1)
        image = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR) * 255
    image = image if is_first else image * contrast
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_table_of_256_values_and_blocks_of_rows_give_what_all_pixels_would(dtype) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 6001, 3), np.uint8).astype(dtype)
    for seed in range(64):  # all 32 answers of five coins, and several strengths
        np.random.seed(seed)
        expected = distorted_plainly(image[:, ::-1])
        np.random.seed(seed)
        assert np.array_equal(distort(image[:, ::-1]), expected)


def test_pack_rounds_float_images() -> None:
    results = dict(img=np.array([[[1.6, -0.4, 255.4]]], np.float32), img_path="a", ori_shape=(1, 1))
    packed = PackSample()(results)
    assert packed["image"].dtype == torch.uint8
    assert packed["image"].ravel().tolist() == [255, 0, 2]
    assert packed["meta"]["name"] == ""


def test_mmcv_flip_moves_the_label_too() -> None:
    flip = TRANSFORMS.build(dict(type="RandomFlip", prob=1.0))
    label = np.arange(6, dtype=np.uint8).reshape(2, 3)
    results = flip(dict(img=np.repeat(label[..., None], 3, 2), gt_seg_map=label))
    assert results["gt_seg_map"].tolist() == [[2, 1, 0], [5, 4, 3]]
    assert (results["img"][..., 0] == results["gt_seg_map"]).all()


@pytest.mark.parametrize("moved", [dict(flip=True), dict(crop_box=(0, 0, 1, 1))])
def test_label_cannot_be_loaded_after_a_move(moved: dict) -> None:
    with pytest.raises(ConfigError, match="LoadLabel stands after a flip or crop"):
        LoadLabel()(dict(seg_map_path="x.png") | moved)


def test_load_label_checks_its_option() -> None:
    with pytest.raises(ConfigError, match="'error' or 'resize', not 'crop'"):
        LoadLabel(on_size_mismatch="crop")
