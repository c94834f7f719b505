"""What is on the walls of the varied game's houses: shops, doors, clutter, chimneys."""

import numpy as np

from daseg.worlds.drawing import labels
from daseg.worlds.drawing.canvas import Canvas
from daseg.worlds.drawing.looks import Colour, Rng, pick
from daseg.worlds.drawing.solids import patches


def _fill(
    canvas: Canvas,
    face: np.ndarray,
    areas: list[list[float]] | np.ndarray,
    colour: Colour,
    gain: float,
) -> None:
    """Fill areas (left, bottom, right, top; 0..1) of a wall (4, 3), as far as they lie on it."""
    if len(areas):
        shapes = patches(face, np.clip(np.array(areas, float), 0, 1))
        canvas.fill(shapes, np.clip(colour, 0, 255), labels.BUILDING, gain=gain)


def decorate_face(
    canvas: Canvas, rng: Rng, face: np.ndarray, wall: Colour, floors: int, gain: float
) -> None:
    """Courses, drainpipes, doors, posters and clutter on a wall (4, 3) of a house."""
    if face[0, 2] > 60:
        return
    tones = np.array(wall)
    courses = [[0.0, v - 0.008, 1.0, v + 0.008] for v in np.arange(1, floors) / floors]
    if rng.random() < 0.6:
        _fill(canvas, face, courses, tones * rng.uniform(0.6, 1.3), gain)
    for _ in range(rng.integers(0, 4)):  # drainpipes, pilasters, joints between two houses
        u, wide = rng.uniform(0, 0.97), rng.choice([0.004, 0.008, 0.03])
        _fill(canvas, face, [[u, 0.0, u + wide, 1.0]], tones * rng.choice([0.35, 0.7, 1.25]), gain)
    if rng.random() < 0.4:  # a blank gable or an extension in another colour
        other = np.array(pick(rng, canvas.look.palette.facades))
        area = [rng.uniform(0.3, 0.7), rng.uniform(0.5, 1.0), 1.0, 1.0]
        _fill(canvas, face, [area], other, gain)
    length = float(np.linalg.norm(face[1] - face[0]))
    for _ in range(rng.integers(0, 7)):  # doors, gates, posters, vitrines: as large as a car
        u, wide = rng.uniform(0, 0.9), rng.uniform(0.8, 3.5) / length
        low, tall = rng.choice([0.0, rng.uniform(0, 0.3)]) / floors, rng.uniform(0.2, 0.75) / floors
        wide = min(wide, 1 - u)
        _fill(canvas, face, [[u, low, u + wide, low + tall]], _any_paint(canvas, rng), gain)
        if rng.random() < 0.6:
            pane = [u + 0.12 * wide, low + 0.45 * tall, u + 0.88 * wide, low + 0.9 * tall]
            glass = np.array(canvas.look.palette.glass) * rng.uniform(0.2, 1.2)
            _fill(canvas, face, [pane], glass, gain)
    for _ in range(rng.integers(2, 14)):  # signs, lamps, vents, blinds, things in windows
        u, v = rng.uniform(0, 0.95), rng.uniform(0, 0.9) ** 1.5
        wide, tall = rng.uniform(0.01, 0.08, 2)
        bright = rng.uniform(10, 255) + rng.normal(0, 25, 3)
        _fill(canvas, face, [[u, v, u + wide, v + tall]], bright, gain)


def _any_paint(canvas: Canvas, rng: Rng) -> np.ndarray:
    palette = canvas.look.palette
    return np.array(pick(rng, (*palette.cars, *palette.facades))) * rng.uniform(0.4, 1.1)


def paint_shop(canvas: Canvas, rng: Rng, face: np.ndarray, floors: int, gain: float) -> None:
    """A shop on the ground floor of a wall (4, 3): windows between posts, a board with letters."""
    if face[0, 2] > 60:
        return
    top, door, palette = 0.92 / floors, 0.62 / floors, canvas.look.palette
    frame = np.array(pick(rng, palette.cars)) * rng.uniform(0.3, 1.1)
    _fill(canvas, face, [[0.0, 0.0, 1.0, top]], frame, gain)
    count = int(rng.integers(2, 9))
    left = (np.arange(count) + rng.uniform(0.04, 0.15)) / count
    wide = rng.uniform(0.6, 0.88) / count
    low = rng.choice([0.02, 0.12, 0.2], count) / floors
    panes = np.stack([left, low, left + wide, np.full(count, door)], axis=1)
    _fill(canvas, face, panes, np.array(palette.glass) * rng.uniform(0.2, 1.2), gain)
    for pane in panes:  # what is seen in the window, or mirrored by it
        for _ in range(rng.integers(0, 4)):
            u, v = rng.uniform(pane[:2], pane[2:])
            area = [u, v, min(u + 0.4 * wide * rng.random(), pane[2]), min(v + 0.1 / floors, door)]
            _fill(canvas, face, [area], rng.uniform(0, 255) + rng.normal(0, 30, 3), gain)
    board = np.array(pick(rng, palette.cars)) * rng.uniform(0.5, 1.2)
    _fill(canvas, face, [[0.0, door * 1.08, 1.0, top]], board, gain)
    letters = rng.uniform(0.05, 0.6) + np.arange(rng.integers(3, 14)) * 0.02
    low_edge, high_edge = door * 1.08 + 0.25 * (top - door), top - 0.25 * (top - door)
    text = [[u, low_edge, u + 0.013, high_edge] for u in letters if u < 0.96]
    _fill(canvas, face, text, 255 - board, gain)


def paint_chimneys(
    canvas: Canvas, rng: Rng, x: float, start: float, end: float, top: float
) -> None:
    """Chimney stacks and dormers that stand against the sky."""
    for _ in range(rng.integers(0, 4) if end > start else 0):
        z = rng.uniform(start, end)
        wide, tall = rng.uniform(0.5, 1.3), rng.uniform(1.0, 2.6)
        low = top - 0.5
        shape = [[x - wide, low, z], [x + wide, low, z], [x + wide, top + tall, z]]
        colour = np.array(pick(rng, canvas.look.palette.facades)) * rng.uniform(0.6, 1.0)
        canvas.fill(np.array([*shape, [x - wide, top + tall, z]]), colour, labels.BUILDING)
