"""The sizes of images and windows in a small world."""

from dataclasses import replace

import pytest

from daseg.worlds.data import world_pipeline
from daseg.worlds.load import load_world

# With round sizes of their own, so that tuning the worlds does not concern the tests.
DEMO = replace(load_world("demo"), size=(384, 192))
CAMVID = replace(load_world("camvid"), size=(320, 240))


def steps(*transforms) -> list[dict]:
    return [dict(type="LoadImageFromFile"), *transforms, dict(type="PackSample")]


@pytest.mark.parametrize(("world", "scale", "crop"), [
    (DEMO, (480, 240), (136, 240)),  # 384 / 1024 * 1280; 360 * 192 / 512 = 135, 640 * 384 / 1024
    (CAMVID, (400, 300), (168, 200)),  # 4:3 stays; 360 * 240 / 512 = 168.75
])  # fmt: skip
def test_sizes_shrink_by_the_factor_to_the_worlds_own(world, scale, crop):
    real = steps(
        dict(type="RandomResize", scale=(1280, 720), ratio_range=(0.8, 1.2)),
        dict(type="RandomCrop", crop_size=(360, 640), min_classes=11),
    )
    changed = world_pipeline(real, world)
    assert changed[1] == real[1] | dict(scale=scale)
    assert changed[2] == real[2] | dict(crop_size=crop)
    assert real[1]["scale"] == (1280, 720)


def test_a_window_that_fits_still_fits_and_one_that_does_not_is_padded_as_before():
    tall = steps(
        dict(type="ResizePIL", scale=(1280, 720)), dict(type="RandomCrop", crop_size=(720, 640))
    )
    assert world_pipeline(tall, DEMO)[2]["crop_size"] == (240, 240)  # 270 would not fit into 240
    large = steps(
        dict(type="RandomResize", scale=(2048, 1024), ratio_range=(0.5, 2.0)),
        dict(type="RandomCrop", crop_size=(769, 769)),
    )
    assert world_pipeline(large, DEMO)[2]["crop_size"] == (288, 288)  # of 192 and more


def test_several_sizes_are_changed_and_factors_are_not():
    real = steps(
        dict(type="RandomChoiceResize", scales=[(512, 256), (1024, 512)]),
        dict(type="Resize", scale_factor=0.5),
        dict(type="RandomCrop", crop_size=(256, 512)),
    )
    changed = world_pipeline(real, DEMO)
    assert changed[1]["scales"] == [(192, 96), (384, 192)]
    assert changed[2] == real[2]
    assert changed[3]["crop_size"] == (96, 192)
