"""The varied game: what varies, what stays, and that its labels still tell the truth."""

import subprocess
import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cityscapes_table import CLASSES
from daseg.utils.errors import ConfigError, DataError
from daseg.worlds.drawing import draw_scene, make_world
from daseg.worlds.drawing.bodywork import PROFILES, WINDOWS, Car, varied_car
from daseg.worlds.drawing.buildings import Railing, paint_railing
from daseg.worlds.drawing.canvas import Camera, Canvas
from daseg.worlds.drawing.facades import decorate_face, paint_shop
from daseg.worlds.drawing.ground import Street, paint_ground, paint_varied_marks
from daseg.worlds.drawing.lens import develop
from daseg.worlds.drawing.looks import PALETTES, draw_look
from daseg.worlds.drawing.nature import paint_bare_tree
from daseg.worlds.drawing.solids import Place
from daseg.worlds.drawing.variety import draw_varied_camera, draw_varied_look
from processes import environment

RNG = np.random.default_rng
LEVEL = Camera(800, 400, 300, 400, 200, 0, 1.5, 0, 0)
TINY = dict(size=(64, 32), num_source=2, num_target=1, num_val=1, num_test=0, progress=False)


@lru_cache
def scenes(game: str) -> tuple[np.ndarray, np.ndarray]:
    """24 pictures (two rounds of the rare things): images (24, H, W, 3), labels (24, H, W)."""
    drawn = [draw_scene("game", index=i, size=(256, 128), game=game) for i in range(24)]
    images, labels = zip(*drawn, strict=True)
    return np.stack(images), np.stack(labels)


@pytest.mark.parametrize(
    ("domain", "index", "image_mean", "label_mean"),
    [
        ("game", 1, (129.51, 129.70, 132.37), 15.935),
        ("game", 6, (112.24, 106.81, 101.35), 13.667),
        ("game", 9, (110.85, 113.08, 112.05), 13.834),
        ("city", 1, (93.06, 95.71, 91.49), 12.264),
        ("city", 6, (119.11, 119.57, 116.47), 13.136),
        ("city", 9, (101.11, 102.32, 97.29), 13.679),
    ],
)
def test_the_plain_pictures_are_those_of_version_1(
    domain: str, index: int, image_mean: tuple, label_mean: float
) -> None:
    """The means were taken before there was a varied game."""
    image, label = draw_scene(domain, index=index, size=(128, 64))
    np.testing.assert_allclose(image.mean((0, 1)), image_mean, atol=0.02)
    assert label.mean() == pytest.approx(label_mean, abs=0.002)


def test_the_city_is_the_same_beside_either_game() -> None:
    for light in ("day", "dusk"):
        plain = draw_scene("city", index=4, size=(128, 64), light=light)
        varied = draw_scene("city", index=4, size=(128, 64), light=light, game="varied")
        for one, other in zip(plain, varied, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_appears(name: str) -> None:
    assert (scenes("varied")[1] == CLASSES[name][0]).sum() > 60


def test_only_cityscapes_label_ids_and_no_bonnet() -> None:
    known = {number for number, _ in CLASSES.values()} | {4, 9}
    assert set(np.unique(scenes("varied")[1])) <= known


def test_pictures_differ_more_from_each_other_than_in_the_plain_game() -> None:
    def spread(game: str, name: str) -> float:
        """Deviation over the pictures of the mean brightness of a class."""
        images, labels = scenes(game)
        masks = labels == CLASSES[name][0]
        means = [
            image[mask].mean() for image, mask in zip(images, masks, strict=True) if mask.any()
        ]
        return float(np.std(means))

    for name in ("road", "sky"):
        assert spread("varied", name) > 1.2 * spread("plain", name), name


def test_the_sky_is_white_in_many_pictures_and_in_no_plain_one() -> None:
    def white(game: str) -> int:
        images, labels = scenes(game)
        skies = [image[label == 23] for image, label in zip(images, labels, strict=True)]
        return sum(len(sky) > 50 and np.median(sky) > 235 for sky in skies)

    assert white("plain") == 0
    assert 5 <= white("varied") <= 19


def test_walls_are_uneven() -> None:
    def grain(game: str, name: str) -> float:
        """Mean step between neighbours of the class, as a share of their brightness."""
        images, labels = scenes(game)
        grey, mask = images.mean(-1), labels == CLASSES[name][0]
        both = mask[:, :, 1:] & mask[:, :, :-1]
        steps = np.abs(np.diff(grey, axis=2)) / (grey[:, :, 1:] + 20)
        return float(steps[both].mean())

    assert grain("varied", "building") > 1.2 * grain("plain", "building")


@pytest.mark.parametrize("seed", range(6))
def test_a_bare_trees_crown_is_the_hull_of_its_twigs(seed: int) -> None:
    canvas = Canvas(LEVEL, draw_varied_look(RNG(0)))
    canvas.data[..., :3] = 250
    paint_bare_tree(canvas, RNG(seed), Place(0, 16))
    tree = canvas.data[..., 3] == 21
    sky = (canvas.data[..., :3] == 250).all(-1)
    assert sky[~tree].all()
    assert 0.3 < sky[tree].mean() < 0.95
    rows, columns = np.nonzero(~sky)
    spread = np.array([np.ptp(columns[rows == row]) for row in range(rows.min(), rows.max())])
    crown = rows < rows.min() + np.flatnonzero(spread > 12).max()  # above the bare trunk
    hull = cv2.convexHull(np.column_stack([columns[crown], rows[crown]]).astype(np.int32))
    assert tree.sum() == pytest.approx(cv2.contourArea(hull), rel=0.2)


@pytest.mark.parametrize(("colour", "stained"), [((255, 255, 255), False), ((60, 70, 40), True)])
def test_stains_leave_the_sky_in_a_crown_alone(colour: tuple, stained: bool) -> None:
    clean = dict(noise=0.0, blur=0.0, vignette=0.0, saturation=1.0, gamma=1.0, cloud=0.0)
    look = replace(draw_varied_look(RNG(0)), domain="game", **clean)
    white = replace(look.palette, sky_top=(255.0,) * 3, sky_bottom=(255.0,) * 3)
    data = np.full((LEVEL.height, LEVEL.width, 4), (*colour, 21), np.uint8)
    image, label = develop(data, LEVEL, replace(look, palette=white), RNG(1))
    assert (label == 21).all()
    above = image[:90].astype(float)  # the ground has haze
    assert (above.std() > 5) == stained
    if not stained:
        assert above.min() >= 240  # the shade of a cloud


@pytest.mark.parametrize("turned", [False, True])
def test_a_car_shows_its_tail_lamps_from_behind_only(turned: bool) -> None:
    look = draw_look("game", RNG(0))
    red = []
    for seed in range(12):
        car = varied_car(RNG(seed), look)
        if tuple(car.paint_colour) not in {tuple(c) for c in PALETTES["game"].cars[3:5]}:
            continue  # black and white cars, on which nothing else is red
        canvas = Canvas(LEVEL, look)
        car.paint(canvas, Place(0, 8 + car.length, np.pi) if turned else Place(0, 8))
        body = canvas.data[canvas.data[..., 3] == 26][:, :3].astype(int)
        red.append(int(((body[:, 0] > 90) & (body[:, 1] < 40)).sum()))
    assert red
    assert all(count == 0 for count in red) if turned else all(count > 50 for count in red)


def test_every_car_has_head_lamps_in_front() -> None:
    look = draw_look("game", RNG(0))
    for seed in range(20):
        car = replace(varied_car(RNG(seed), look), paint_colour=(20, 60, 20), gloss=0.0)
        lit = []
        for place in (Place(0, 8), Place(0, 8 + car.length, np.pi)):
            canvas = Canvas(LEVEL, look)
            car.paint(canvas, place)
            body = canvas.data[canvas.data[..., 3] == 26][:, :3].astype(int)
            # the plate is bright as well, but bluer than the lamps
            yellowish = (body.min(1) > 100) & (body[:, 0] - body[:, 2] > 8)
            lit.append(int(yellowish.sum()))
        assert lit[1] > lit[0] + 40


def test_a_car_stands_on_the_road() -> None:
    car = varied_car(RNG(0), draw_look("game", RNG(0)))
    canvas = Canvas(LEVEL, draw_look("game", RNG(0)))
    car.paint(canvas, Place(0, 10))
    lowest = np.nonzero((canvas.data[..., 3] == 26).any(1))[0].max()
    rear_tyre = 10 + car.axles[0] - car.radius
    assert lowest == pytest.approx(200 + 300 * 1.5 / rear_tyre, abs=1.5)


@pytest.mark.parametrize("kind", PROFILES)
def test_a_car_is_as_large_as_its_measures_say(kind: str) -> None:
    """Straight ahead, 10 m away, seen from 1.5 m: its rear spans what a pinhole camera sees."""
    profile = np.array(PROFILES[kind]) * [4.0, 1.5]
    car = Car(
        26,
        [],
        (),
        0.3,
        0.8,
        4.0,
        profile=profile,
        paint_colour=(200, 30, 30),
        glass=(0, 0, 0),
        windows=WINDOWS[kind],
        gloss=0.0,
    )
    canvas = Canvas(LEVEL, draw_look("game", RNG(0)))
    car.paint(canvas, Place(0, 10))
    rows, columns = np.nonzero(canvas.data[..., 3] == 26)
    assert columns.min() == pytest.approx(400 - 300 * 0.8 / 10, abs=1)
    assert columns.max() == pytest.approx(400 + 300 * 0.8 / 10, abs=1)
    bottom = min(profile[0, 1], profile[1, 1])
    near = 10 + profile[0, 0]
    assert rows.max() == pytest.approx(200 + 300 * (1.5 - bottom) / near, abs=1.5)
    assert rows.min() == pytest.approx(200, abs=2)  # its roof is as high as the camera


def test_a_shop_stays_on_the_ground_floor() -> None:
    canvas = Canvas(LEVEL, draw_varied_look(RNG(3)))
    canvas.data[..., :3] = 255
    face = np.array([[-4.0, 0, 10], [4, 0, 10], [4, 12, 10], [-4, 12, 10]])
    paint_shop(canvas, RNG(0), face, 4, 1.0)
    rows, columns = np.nonzero(canvas.data[..., 3] == 11)
    assert rows.min() >= 200 + 300 * (1.5 - 12 / 4) / 10 - 1  # below the first of four floors
    assert (columns.min(), columns.max()) == (400 - 120, 400 + 120)


def test_nothing_on_a_wall_reaches_beyond_it() -> None:
    face = np.array([[-4.0, 0, 10], [4, 0, 10], [4, 12, 10], [-4, 12, 10]])
    for seed in range(30):
        canvas = Canvas(LEVEL, draw_varied_look(RNG(seed)))
        decorate_face(canvas, RNG(seed), face, (200, 180, 160), 4, 1.0)
        rows, columns = np.nonzero(canvas.data[..., 3] == 11)
        assert len(rows)
        assert columns.min() >= 400 - 120
        assert columns.max() <= 400 + 120
        assert rows.max() <= 200 + 300 * 1.5 / 10


def test_what_shows_between_the_bars_of_a_railing_is_fence_and_its_foot_is_wall() -> None:
    canvas = Canvas(LEVEL, draw_varied_look(RNG(0)))
    canvas.data[..., :3] = 250
    railing = Railing(base=0.5, height=1.5, step=0.2, wall=(90, 40, 30), iron=(20, 20, 20))
    paint_railing(canvas, RNG(0), railing, 3.0, 8.0, 16.0)
    # By hand, at z 10 and x 3: column 400 + 90; ground at row 245, 0.5 m at 230, 1.5 m at 200.
    column = canvas.data[:, 490]
    assert (column[200:229, 3] == 13).all()
    assert (column[232:244, 3] == 12).all()
    assert not column[:198, 3].any()
    assert not column[247:, 3].any()
    fence = canvas.data[canvas.data[..., 3] == 13][:, :3]
    assert 0.2 < (fence == 250).all(1).mean() < 0.9


def test_marks_leave_parking_strips_and_side_streets_alone() -> None:
    street = Street(1, 3.2, 2.2, 2.0, 0.0, (12.0, 20.0), tracks=False)
    canvas = Canvas(LEVEL, draw_varied_look(RNG(0)))
    paint_ground(canvas, RNG(0), street)
    near = canvas.data[212:]  # up to 37 m; farther away a pixel is wider than a line
    before = near.copy()
    for seed in range(20):
        paint_varied_marks(canvas, RNG(seed), street)
    assert (near[..., 3] != before[..., 3]).sum() < 10  # a pixel of the road's rim here and there
    parking, road = before[..., 3] == 9, before[..., 3] == 7
    assert parking.any()
    assert (near[parking] != before[parking]).any(1).sum() < 10
    assert (near[road] != before[road]).any(1).sum() > 500


def test_the_camera_is_drawn_anew_and_keeps_its_lane() -> None:
    camera = draw_varied_camera(LEVEL, RNG(0))
    assert camera.x == LEVEL.x
    assert 0.75 * 800 <= camera.focal <= 1.2 * 800
    assert 0.38 * 400 <= camera.horizon <= 0.58 * 400
    assert 1.1 <= camera.y <= 2.0


def test_unknown_games() -> None:
    with pytest.raises(ConfigError, match=r"unknown game 'wild': choose one of plain, varied"):
        draw_scene("game", game="wild")
    with pytest.raises(ConfigError, match=r"game: 'wild' is not one of plain, varied"):
        make_world(Path("never"), game="wild", **TINY)


def test_it_is_drawn_by_the_command_and_not_taken_for_the_plain_one(tmp_path: Path) -> None:
    words = "--size 64 32 --num-source 2 --num-target 1 --num-val 1 --num-test 0 --game varied"
    command = [sys.executable, "-m", "daseg", "make-demo", "--root", str(tmp_path), *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "gta5/images/00002.png") as file:
        expected = draw_scene("game", index=1, size=(64, 32), game="varied")[0]
        np.testing.assert_array_equal(np.asarray(file), expected)
    with pytest.raises(DataError, match=r"other settings \(game is varied, not plain\)"):
        make_world(tmp_path, workers=1, **TINY)


def test_the_demo_refuses_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "daseg", "demo", "--game", "varied", "--root", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 2
    assert "--game varied: some of its pictures are furnished as the city is" in done.stderr
    assert not any(tmp_path.iterdir())
