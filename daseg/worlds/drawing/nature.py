"""Trees, palms, hedges and bushes."""

import cv2
import numpy as np

from daseg.worlds.drawing import labels
from daseg.worlds.drawing.canvas import Canvas
from daseg.worlds.drawing.looks import Rng, colours, pick
from daseg.worlds.drawing.solids import Box, Place, paint_box

WINTER_BARK = colours("3a322c 54483e 6a6258 2c2826")
BARK = {"game": (110, 84, 60), "city": (74, 66, 58)}


def _leaf(canvas: Canvas, rng: Rng) -> np.ndarray:
    return np.array(pick(rng, canvas.look.palette.leaves)) * rng.uniform(0.85, 1.12)


def paint_tree(canvas: Canvas, rng: Rng, place: Place) -> None:
    """A broad-leaved tree, or now and then in the game a palm. Trunks are vegetation too."""
    if not canvas.camera.sees(place.x, place.z, 5):
        return
    variety = canvas.look.variety
    if variety is not None and rng.random() < variety.bare:
        paint_bare_tree(canvas, rng, place)
        return
    if canvas.look.is_game and rng.random() < 0.35:
        paint_palm(canvas, rng, place)
        return
    height = rng.uniform(5, 9) if canvas.look.is_game else rng.uniform(6, 12)
    radius = height * rng.uniform(0.24, 0.34)
    base = np.array([place.x, place.y, place.z])
    bark = BARK[canvas.look.domain]
    fork = base + [rng.uniform(-0.2, 0.2), height * 0.45, 0]
    canvas.line(np.array([base, fork]), rng.uniform(0.2, 0.42), bark, labels.VEGETATION)
    for side in (-0.5, 0.4):
        tip = base + [side * radius, height * 0.68, 0]
        canvas.line(np.array([fork, tip]), 0.14, bark, labels.VEGETATION)
    paint_crown(canvas, rng, base + [0, height - radius, 0], radius, _leaf(canvas, rng))


def paint_bare_tree(canvas: Canvas, rng: Rng, place: Place) -> None:
    """A tree in winter; its whole crown is labelled, with the sky that shows through it."""
    height = rng.uniform(6, 13)
    base = np.array([place.x, place.y, place.z])
    bark = np.array(pick(rng, WINTER_BARK)) * rng.uniform(0.8, 1.2)
    levels = 6 if canvas.camera.pixels(height, place.z) > 200 else 5
    tips = [(np.zeros(2), np.pi / 2 + rng.normal(0, 0.05), height * rng.uniform(0.22, 0.32))]
    width = height * 0.03
    branches, ends = [], []  # branches: both ends (2, 2) in metres across and up, and the width
    for level in range(levels):
        grown = []
        for start, angle, length in tips:
            end = start + length * np.array([np.cos(angle), np.sin(angle)])
            branches.append((np.stack([start, end]), width))
            ends.append(end)
            count = 3 if level < 3 else 2
            for spread in np.linspace(-0.55, 0.55, count) + rng.normal(0, 0.18, count):
                grown.append((end, angle + spread, length * rng.uniform(0.6, 0.85)))
        tips, width = grown, width * 0.6
    crown = cv2.convexHull(np.array(ends, np.float32))[:, 0]
    canvas.tag(base + np.column_stack([crown, np.zeros(len(crown))]), labels.VEGETATION)
    for points, thick in branches:
        line = base + np.column_stack([points, np.zeros(2)])
        canvas.line(line, thick, bark, labels.VEGETATION)


def paint_crown(
    canvas: Canvas, rng: Rng, at: np.ndarray, radius: float, colour: np.ndarray
) -> None:
    """A cloud of leaf clumps: dark ones below and away from the sun, light ones on top of them."""
    count = int(np.clip(canvas.camera.pixels(radius, float(at[2])) / 3, 7, 28))
    angle = rng.uniform(0, 2 * np.pi, count)
    reach = np.sqrt(rng.uniform(0, 1, count)) * radius * 0.78
    sizes = rng.uniform(0.24, 0.44, count) * radius
    offset = np.column_stack([np.cos(angle) * reach, np.sin(angle) * reach * 0.85])
    towards = offset[:, 0] * canvas.look.sun * 0.6 + offset[:, 1]
    for number in np.argsort(towards):
        gain = 0.92 + (0.14 + 0.26 * canvas.look.contrast) * towards[number] / radius
        spot = at + np.array([offset[number, 0], offset[number, 1], 0])
        shade = colour * gain * rng.uniform(0.9, 1.1)
        canvas.disc(spot, sizes[number], shade, labels.VEGETATION, tall=0.85)


def paint_palm(canvas: Canvas, rng: Rng, place: Place) -> None:
    """A tall bare trunk with a crown of fronds."""
    height, lean = rng.uniform(7, 13), rng.uniform(-0.7, 0.7)
    base = np.array([place.x, place.y, place.z])
    top = base + [lean, height, 0]
    trunk = np.array([base, base + [lean * 0.3, height * 0.5, 0], top])
    canvas.line(trunk, 0.28, (146, 120, 90), labels.VEGETATION)
    colour = _leaf(canvas, rng)
    for turn in np.linspace(-0.5, np.pi + 0.5, 9) + rng.uniform(-0.15, 0.15, 9):
        reach = rng.uniform(1.5, 2.2)
        out = np.array([np.cos(turn), np.sin(turn) * 0.7, 0]) * reach
        drop = np.array([0, -0.8 * abs(np.cos(turn)), 0])
        frond = [
            top,
            top + out * 0.5 + [0, 0.3, 0],
            top + out + drop,
            top + out * 0.5 - [0, 0.15, 0],
        ]
        canvas.fill(np.array(frond), colour * rng.uniform(0.75, 1.15), labels.VEGETATION)


def paint_hedge(
    canvas: Canvas, rng: Rng, x: float, start: float, end: float, height: float
) -> None:
    """A clipped hedge along the street, with a slightly ragged top."""
    colour, start = _leaf(canvas, rng), max(start, 1.5)
    away = 0.9 if x > 0 else -0.9
    low, high = min(x, x + away), max(x, x + away)
    box = Box((low, 0, start), (high, height, end), tuple(colour.tolist()))
    paint_box(canvas, Place(0, 0), box, labels.VEGETATION)
    for z in np.arange(end, max(start, 2.5), -1.2):
        at = np.array([x + 0.3 * away, height + rng.uniform(-0.1, 0.05), z])
        canvas.disc(at, rng.uniform(0.3, 0.5), colour * rng.uniform(0.85, 1.1), labels.VEGETATION)


def paint_bush(canvas: Canvas, rng: Rng, place: Place) -> None:
    """A low bush."""
    radius = rng.uniform(0.5, 1.1)
    at = np.array([place.x, place.y + 0.75 * radius, place.z])
    paint_crown(canvas, rng, at, radius, _leaf(canvas, rng))
