"""Street furniture: poles, lamps, traffic lights, signs, bins."""

from typing import NamedTuple

import cv2
import numpy as np

from daseg.worlds.drawing import labels
from daseg.worlds.drawing.canvas import Canvas
from daseg.worlds.drawing.looks import Colour, Rng, colours, pick
from daseg.worlds.drawing.solids import Box, Place, paint_box

WHITE, RED, BLUE = (226, 226, 222), (186, 26, 30), (32, 74, 150)
GREEN, YELLOW = (26, 104, 66), (232, 186, 36)
GREY, BLACK = (40, 40, 40), (30, 30, 30)


def _pole(canvas: Canvas, place: Place, height: float, width: float) -> np.ndarray:
    base = np.array([place.x, place.y, place.z])
    top = base + [0, height, 0]
    canvas.line(np.array([base, top]), width, canvas.look.palette.metal, labels.POLE)
    return top


def paint_lamp(canvas: Canvas, rng: Rng, place: Place) -> None:
    """A street light with an arm over the road."""
    metal = canvas.look.palette.metal
    top, inwards = _pole(canvas, place, rng.uniform(6.0, 8.5), 0.18), -np.sign(place.x)
    arm = top + [inwards * rng.uniform(1.2, 2.2), 0.3, 0]
    canvas.line(np.array([top, arm]), 0.1, metal, labels.POLE)
    tip = arm + [inwards * 0.6, 0, 0]
    canvas.line(np.array([arm, tip]), 0.22, np.array(metal) * 1.2, labels.POLE)


def paint_pole(canvas: Canvas, rng: Rng, place: Place) -> None:
    """A bare pole, or in the game a wooden one with cross-arms."""
    if not canvas.look.is_game:
        _pole(canvas, place, rng.uniform(2.5, 6.0), rng.uniform(0.1, 0.2))
        return
    wood = (118, 92, 68)
    base = np.array([place.x, place.y, place.z])
    top = base + [0, rng.uniform(7.5, 9.5), 0]
    canvas.line(np.array([base, top]), 0.26, wood, labels.POLE)
    for drop in (0.5, 1.3):
        ends = np.array([[-1.1, -drop, 0], [1.1, -drop, 0]])
        canvas.line(top + ends, 0.13, wood, labels.POLE)


def paint_traffic_light(canvas: Canvas, rng: Rng, place: Place) -> None:
    """A signal on a pole; in the game most hang from a mast arm over the road."""
    lit = int(rng.integers(3))
    if canvas.look.is_game and rng.random() < 0.6:
        top = _pole(canvas, place, 6.0, 0.22)
        reach = -np.sign(place.x) * rng.uniform(4.0, 6.5)
        canvas.line(np.array([top, top + [reach, 0.2, 0]]), 0.14, (110, 110, 108), labels.POLE)
        for share in (0.55, 1.0):
            _signal(canvas, top + [reach * share, 0.1, 0], lit)
        return
    top = _pole(canvas, place, rng.uniform(3.2, 3.7), 0.14)
    _signal(canvas, top, lit)


def _signal(canvas: Canvas, at: np.ndarray, lit: int) -> None:
    body = (196, 160, 30) if canvas.look.is_game else (26, 30, 30)
    shape = np.array([[-0.2, -1.05, 0], [0.2, -1.05, 0], [0.2, 0, 0], [-0.2, 0, 0]])
    canvas.fill(at + shape, body, labels.TRAFFIC_LIGHT)
    for number, colour in enumerate(colours("fa2824 fab428 32e68c")):
        shade = colour if number == lit else (36, 36, 36)
        spot = at + np.array([0, -0.18 - 0.34 * number, -0.02])
        canvas.disc(spot, 0.125, shade, labels.TRAFFIC_LIGHT)


def _ngon(size: float, corners: int, turn: float = 0.0) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False) + turn
    return np.column_stack([np.cos(angle), np.sin(angle), np.zeros(corners)]) * size


def _plate(wide: float, tall: float) -> np.ndarray:
    return np.array([[-wide, -tall, 0], [wide, -tall, 0], [wide, tall, 0], [-wide, tall, 0]])


class Disc(NamedTuple):
    """An ellipse ``tall`` times as high as wide."""

    radius: float
    tall: float = 1.0


Layers = list[tuple[np.ndarray | Disc, Colour]]  # of a sign of size 1: outline (V, 3) or disc
LIMIT: Layers = [(Disc(1.0), RED), (Disc(0.74), WHITE), (Disc(0.26), BLACK)]
YIELD: Layers = [(_ngon(1.25, 3, -np.pi / 2), RED), (_ngon(0.8, 3, -np.pi / 2), WHITE)]
PRIORITY: Layers = [(_ngon(1.1, 4), WHITE), (_ngon(0.78, 4), YELLOW)]
MANDATORY: Layers = [(Disc(1.0), BLUE), (Disc(0.4, tall=0.4), WHITE)]
PARKING: Layers = [(_plate(1, 1), WHITE), (_plate(0.86, 0.86), BLUE), (Disc(0.4), WHITE)]
STOP: Layers = [(_ngon(1.15, 8, np.pi / 8), WHITE), (_ngon(1.02, 8, np.pi / 8), RED)]
STOP += [(_plate(0.6, 0.2), WHITE)]
STREET_NAME: Layers = [(_plate(2.2, 0.6), WHITE), (_plate(2.2 * 0.86, 0.6 * 0.86), GREEN)]
WARNING: Layers = [(_ngon(1.25, 4), YELLOW), (Disc(0.3), BLACK)]
SPEED: Layers = [
    (_plate(0.8, 1.05), GREY),
    (_plate(0.8 * 0.86, 1.05 * 0.86), WHITE),
    (Disc(0.3), BLACK),
]
SIGNS = {
    "game": (STOP, STREET_NAME, WARNING, SPEED),
    "city": (LIMIT, LIMIT, YIELD, PRIORITY, MANDATORY, PARKING),
}


def paint_sign(canvas: Canvas, rng: Rng, place: Place) -> None:
    """A traffic sign on its pole: American shapes in the game, European ones in the city."""
    top = _pole(canvas, place, rng.uniform(2.3, 3.0), 0.09)
    for number in range(1 + int(rng.random() < 0.25)):
        layers = pick(rng, SIGNS[canvas.look.domain])
        at, size = top - [0, 0.25 + 0.75 * number, 0], rng.uniform(0.3, 0.42)
        for shape, colour in layers:
            if isinstance(shape, Disc):
                radius = size * shape.radius
                canvas.disc(at, radius, colour, labels.TRAFFIC_SIGN, tall=shape.tall)
            else:
                canvas.fill(at + size * shape, colour, labels.TRAFFIC_SIGN)


def paint_bin(canvas: Canvas, rng: Rng, place: Place) -> None:
    """A dustbin, a post box or a crate: Cityscapes' void class "static"."""
    half, tall = rng.uniform(0.22, 0.4), rng.uniform(0.8, 1.25)
    colour = pick(rng, colours("3c463e 284678 bea028 5a5a5c"))
    box = Box((-half, 0, 0), (half, tall, 2 * half), colour, (0.03, 0.03, 0.03))
    paint_box(canvas, place, box, labels.STATIC)


def paint_bonnet(canvas: Canvas, rng: Rng) -> None:
    """The own car's bonnet at the lower edge (void class "ego vehicle")."""
    height, width = canvas.data.shape[:2]
    middle = (int(width * rng.uniform(0.47, 0.53)), int(height * 1.36))
    axes = (int(width * 0.62), int(height * rng.uniform(0.41, 0.44)))
    for shrink, grey in ((0, 34), (8, 52), (22, 44)):
        paint = (grey, grey, grey + 3, labels.EGO_VEHICLE)
        cv2.ellipse(canvas.data, middle, (axes[0], axes[1] - shrink), 0, 180, 360, paint, -1)
