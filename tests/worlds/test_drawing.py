"""The embedded world's pictures: determinism, plausibility, the gap between the domains."""

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
import pytest

from cityscapes_table import CLASSES
from daseg.utils.errors import ConfigError
from daseg.worlds.drawing import draw_scene
from daseg.worlds.drawing.canvas import Camera, Canvas
from daseg.worlds.drawing.looks import draw_look
from daseg.worlds.drawing.solids import Box, Panel, Place, paint_box
from daseg.worlds.drawing.vehicles import tram, truck

RNG = np.random.default_rng


@lru_cache
def scenes(domain: str) -> tuple[np.ndarray, np.ndarray]:
    """24 pictures (two rounds of the rare things): images (24, H, W, 3), labels (24, H, W)."""
    images, labels = zip(
        *(draw_scene(domain, index=i, size=(256, 128)) for i in range(24)), strict=True
    )
    return np.stack(images), np.stack(labels)


def share(domain: str, name: str) -> float:
    return float((scenes(domain)[1] == CLASSES[name][0]).mean())


@pytest.mark.parametrize("domain", ["game", "city"])
@pytest.mark.parametrize("name", CLASSES)
def test_every_class_appears_and_stands_out(domain: str, name: str) -> None:
    images, labels = scenes(domain)
    mask = labels == CLASSES[name][0]
    assert mask.sum() > 60
    # An object differs from its surroundings: the mean colour step over its border is larger
    # than the same class's step inside.
    step = np.abs(np.diff(images.astype(int), axis=2)).sum(-1)
    both, one = mask[:, :, 1:] & mask[:, :, :-1], mask[:, :, 1:] ^ mask[:, :, :-1]
    assert step[one].mean() > step[both].mean() * 1.1


@pytest.mark.parametrize("domain", ["game", "city"])
def test_only_cityscapes_label_ids(domain: str) -> None:
    known = {number for number, _ in CLASSES.values()} | {1, 3, 4, 9}
    assert set(np.unique(scenes(domain)[1])) <= known


@pytest.mark.parametrize("domain", ["game", "city"])
def test_common_classes_are_common_and_rare_ones_rare(domain: str) -> None:
    assert 0.15 < share(domain, "road") < 0.45
    assert 0.1 < share(domain, "building") < 0.45
    assert share(domain, "car") > share(domain, "truck") > 0
    assert share(domain, "car") > 2 * share(domain, "bus")
    for rare in ("rider", "motorcycle", "bicycle", "traffic light", "wall", "fence"):
        assert share(domain, rare) < 0.02
    frequent = share(domain, "vegetation")
    assert frequent > share(domain, "person") > 0.001


@pytest.mark.parametrize("domain", ["game", "city"])
def test_the_sky_is_above_and_the_road_below(domain: str) -> None:
    labels = scenes(domain)[1]
    rows = np.broadcast_to(np.arange(128)[:, None], labels.shape)
    sky, road = labels == 23, labels == 7
    assert rows[sky].max() < 0.62 * 128
    assert rows[road].min() > 0.3 * 128
    for label in labels:
        lowest_sky = np.where((label == 23).any(0), 127 - (label == 23)[::-1].argmax(0), -1)
        highest_road = np.where((label == 7).any(0), (label == 7).argmax(0), 128)
        assert (lowest_sky < highest_road).all()


def test_dusk_is_dark_blue_and_noisy_and_the_scene_the_same() -> None:
    days, labels = scenes("city")
    for index in range(6):
        image, label = draw_scene("city", index=index, size=(256, 128), light="dusk")
        assert np.array_equal(label, labels[index])
        day, dusk = days[index].astype(float), image.astype(float)
        assert dusk.mean() < 0.7 * day.mean()
        # In linear intensity an eighth to a third of the light is left, and a little stray light.
        left = ((dusk / 255) ** 2.2).mean() / ((day / 255) ** 2.2).mean()
        assert 0.1 < left < 0.4
        blue = dusk[..., 2].mean() / dusk[..., 0].mean()
        assert blue > 1.03 * day[..., 2].mean() / day[..., 0].mean()
    game = draw_scene("game", index=0, size=(256, 128), light="dusk")[0]
    assert np.array_equal(game, scenes("game")[0][0])


def test_near_people_are_larger() -> None:
    """Perspective: people whose feet are lower in the picture are taller there."""
    feet, heights = [], []
    for label in scenes("city")[1]:
        _, _, stats, _ = cv2.connectedComponentsWithStats((label == 24).astype(np.uint8))
        for _, top, _, height, area in stats[1:]:
            if area > 12:
                feet.append(top + height)
                heights.append(height)
    assert np.corrcoef(feet, heights)[0, 1] > 0.7


def test_label_edges_are_image_edges() -> None:
    """A white car on black ground: label and picture coincide but for the averaged rim."""
    look = draw_look("game", RNG(0))
    camera = Camera(400, 200, 300, 200, 90, 0, 1.5, 0, 0)
    canvas = Canvas(camera, look)
    paint_box(canvas, Place(0, 10), Box((-1, 0, 0), (1, 2, 4), (255, 255, 255)), 26)
    painted = canvas.data[..., :3].max(-1) > 60
    np.testing.assert_array_equal(painted, canvas.data[..., 3] == 26)
    # By hand: the rear face spans x -1..1, y 0..2 at z 10: columns 200 -+ 30, rows 90 + 45, - 15.
    rows, columns = np.nonzero(canvas.data[..., 3] == 26)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (170, 230, 75, 135)


def test_boxes_show_the_faces_that_look_at_the_camera() -> None:
    look = draw_look("game", RNG(0))
    sides = {}
    for x in (-6, 6):
        canvas = Canvas(Camera(400, 200, 300, 200, 90, 0, 3.0, 0, 0), look)
        paint_box(canvas, Place(x, 10), Box((-1, 0, 0), (1, 1, 8), (255, 255, 255)), 26)
        sides[x] = np.nonzero((canvas.data[..., 3] == 26).any(0))[0]
    # The back face alone would end at 200 + 300 * 5 / 10 = 350; the left side reaches further in.
    assert sides[6].min() == 200 + round(300 * 5 / 18)
    assert sides[-6].max() == 200 - round(300 * 5 / 18)


@pytest.mark.parametrize(("heading", "shown"), [(0.0, "back"), (np.pi, "front")])
def test_only_the_near_end_of_a_box_shows(heading: float, shown: str) -> None:
    colours = {"back": (255, 0, 0), "front": (0, 255, 0)}
    panels = [Panel(name, (0, 0, 1, 1), colour) for name, colour in colours.items()]
    canvas = Canvas(Camera(400, 200, 300, 200, 90, 0, 1.5, 0, 0), draw_look("game", RNG(0)))
    box = Box((-1, 0, -2), (1, 2, 2), (255, 255, 255), panels=panels)
    paint_box(canvas, Place(0, 12, heading), box, 26)
    red, green = canvas.data[100, 200, :2].astype(int)
    assert (red > green) == (shown == "back")


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("make", [tram, truck])
def test_near_parts_hide_far_ones(make: Callable, turned: bool) -> None:
    """Straight ahead, only the end that faces the camera shows; the farther parts hide behind."""
    look = draw_look("game", RNG(0))
    model = make(RNG(1), look)
    place = Place(0, 10 + model.length, np.pi) if turned else Place(0, 10)
    camera = Camera(800, 400, 300, 400, 200, 0, 1.5, 0, 0)
    whole, end = Canvas(camera, look), Canvas(camera, look)
    model.paint(whole, place)
    nearest = (max if turned else min)(model.boxes[model.base :], key=lambda box: box.low[2])
    paint_box(end, place, nearest, model.label)
    inside = end.data[..., 3] == model.label
    np.testing.assert_array_equal(whole.data[inside], end.data[inside])


def test_the_same_arguments_give_the_same_pixels_and_others_do_not() -> None:
    def draw(domain: str = "city", seed: int = 0, split: str = "train", index: int = 5) -> bytes:
        image, label = draw_scene(domain, seed, split=split, index=index, size=(128, 64))
        return image.tobytes() + label.tobytes()

    np.random.seed(3)
    first = draw()
    np.random.seed(4)  # the global generator has no part in it
    assert draw() == first
    for other in (dict(domain="game"), dict(seed=1), dict(split="val"), dict(index=6)):
        assert draw(**other) != first


def test_domains_differ_measurably() -> None:
    def saturation(images: np.ndarray) -> float:
        return float((images.max(-1).astype(int) - images.min(-1)).mean())

    def noise(images: np.ndarray, labels: np.ndarray) -> float:
        """Mean absolute second difference down the sky, which is smooth but for clouds."""
        flat = (labels[:, 2:] == 23) & (labels[:, 1:-1] == 23) & (labels[:, :-2] == 23)
        return float(np.abs(np.diff(images.astype(int), 2, axis=1)).mean(-1)[flat].mean())

    game, city = scenes("game"), scenes("city")
    assert saturation(game[0]) > 1.8 * saturation(city[0])
    assert noise(*city) > 1.2 * noise(*game)
    corners = city[0][:, :16, :16].mean() / city[0][:, 40:60, 100:156].mean()
    assert corners < 1
    assert np.abs(game[0].mean((0, 1, 2)) - city[0].mean((0, 1, 2))).max() > 4
    # The city's camera is low and sits behind a bonnet; its street has more people, less grass.
    assert (city[1] == 1).any()
    assert not (game[1] == 1).any()
    assert share("city", "person") > share("game", "person")
    assert share("city", "terrain") < share("game", "terrain")
    assert share("city", "sky") < share("game", "sky")


def test_unknown_names() -> None:
    with pytest.raises(ConfigError, match=r"unknown demo domain 'town': choose one of game, city"):
        draw_scene("town")
    with pytest.raises(ConfigError, match=r"unknown demo split 'dev'"):
        draw_scene("city", split="dev")
    with pytest.raises(ConfigError, match=r"32x32 are too small"):
        draw_scene("city", size=(32, 32))


def test_any_size() -> None:
    for width, height in ((64, 32), (97, 61), (1100, 600)):
        image, label = draw_scene("city", index=2, size=(width, height))
        assert image.shape == (height, width, 3)
        assert label.shape == (height, width)
        assert len(np.unique(label)) > 5
