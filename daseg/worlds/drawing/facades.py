"""What the walls of the varied game's houses bear: shops, drainpipes, chimneys, clutter."""

import numpy as np

from daseg.worlds.drawing import labels
from daseg.worlds.drawing.canvas import Canvas
from daseg.worlds.drawing.looks import Colour, Rng, pick
from daseg.worlds.drawing.solids import patches


def decorate_face(
    canvas: Canvas, rng: Rng, face: np.ndarray, wall: Colour, floors: int, gain: float
) -> None:
    """Courses, drainpipes, glazing bars, sills and clutter on a wall (4, 3) of a house."""
    if face[0, 2] > 60:
        return
    tones = np.array(wall)

    def fill(areas: list[tuple[float, float, float, float]], colour: Colour) -> None:
        if areas:
            shapes = patches(np.repeat(face[None], len(areas), 0), np.array(areas))
            canvas.fill(shapes, colour, labels.BUILDING, gain=gain)

    courses = [(0.0, v - 0.008, 1.0, v + 0.008) for v in np.arange(1, floors) / floors]
    if rng.random() < 0.6:
        fill(courses, tones * rng.uniform(0.6, 1.3))
    for _ in range(rng.integers(0, 4)):  # drainpipes, pilasters, joints between two houses
        u, wide = rng.uniform(0, 0.97), rng.choice([0.004, 0.008, 0.03])
        fill([(u, 0.0, u + wide, 1.0)], tones * rng.choice([0.35, 0.7, 1.25]))
    if rng.random() < 0.4:  # the house is two, of different colours
        u = rng.uniform(0.3, 0.7)
        other = np.array(pick(rng, canvas.look.palette.facades))
        low = rng.uniform(0.5, 1.0)
        fill([(u, low, 1.0, 1.0)], other)
    length = float(np.linalg.norm(face[1] - face[0]))
    for _ in range(rng.integers(0, 7)):  # doors, gates, posters, vitrines: as large as a car
        u, wide = rng.uniform(0, 0.9), rng.uniform(0.8, 3.5) / length
        low, tall = rng.choice([0.0, rng.uniform(0, 0.3)]) / floors, rng.uniform(0.2, 0.75) / floors
        fill([(u, low, u + wide, low + tall)], _any_paint(canvas, rng))
        if rng.random() < 0.6:
            pane = (u + 0.12 * wide, low + 0.45 * tall, u + 0.88 * wide, low + 0.9 * tall)
            fill([pane], np.array(canvas.look.palette.glass) * rng.uniform(0.2, 1.2))
    for _ in range(rng.integers(2, 14)):  # signs, lamps, vents, blinds, things in windows
        u, v = rng.uniform(0, 0.95), rng.uniform(0, 0.9) ** 1.5
        size = rng.uniform(0.01, 0.08), rng.uniform(0.01, 0.08)
        bright = rng.uniform(10, 255) + rng.normal(0, 25, 3)
        fill([(u, v, u + size[0], v + size[1])], np.clip(bright, 0, 255))


def _any_paint(canvas: Canvas, rng: Rng) -> np.ndarray:
    palette = canvas.look.palette
    return np.array(pick(rng, (*palette.cars, *palette.facades))) * rng.uniform(0.4, 1.1)


def paint_shop(canvas: Canvas, rng: Rng, face: np.ndarray, floors: int, gain: float) -> None:
    """A shop on the ground floor of a wall (4, 3): windows between posts, a board with letters."""
    if face[0, 2] > 60:
        return
    top, door = 0.92 / floors, 0.62 / floors

    def fill(areas: np.ndarray, colour: Colour) -> None:
        shapes = patches(np.repeat(face[None], len(areas), 0), areas)
        canvas.fill(shapes, np.clip(colour, 0, 255), labels.BUILDING, gain=gain)

    frame = np.array(pick(rng, canvas.look.palette.cars)) * rng.uniform(0.3, 1.1)
    fill(np.array([[0.0, 0.0, 1.0, top]]), frame)
    count = int(rng.integers(2, 9))
    left = (np.arange(count) + rng.uniform(0.04, 0.15)) / count
    wide = rng.uniform(0.6, 0.88) / count
    low = rng.choice([0.02, 0.12, 0.2], count) / floors
    panes = np.stack([left, low, left + wide, np.full(count, door)], axis=1)
    fill(panes, np.array(canvas.look.palette.glass) * rng.uniform(0.2, 1.2))
    for pane in panes:  # what is seen in the window, or mirrored by it
        for _ in range(rng.integers(0, 4)):
            u, v = rng.uniform(pane[:2], pane[2:])
            area = [u, v, min(u + 0.4 * wide * rng.random(), pane[2]), min(v + 0.1 / floors, door)]
            fill(np.array([area]), rng.uniform(0, 255) + rng.normal(0, 30, 3))
    board = np.array(pick(rng, canvas.look.palette.cars)) * rng.uniform(0.5, 1.2)
    fill(np.array([[0.0, door * 1.08, 1.0, top]]), board)
    letters = rng.uniform(0.05, 0.6) + np.arange(rng.integers(3, 14)) * 0.02
    low_edge, high_edge = door * 1.08 + 0.25 * (top - door), top - 0.25 * (top - door)
    text = [[u, low_edge, u + 0.013, high_edge] for u in letters if u < 0.96]
    if text:
        fill(np.array(text), 255 - board)


def paint_chimneys(
    canvas: Canvas, rng: Rng, x: float, start: float, end: float, top: float
) -> None:
    """Chimney stacks and dormers that stand against the sky."""
    for _ in range(rng.integers(0, 4)):
        z = rng.uniform(max(start, 3.0), max(end, 3.5))
        wide, tall = rng.uniform(0.5, 1.3), rng.uniform(1.0, 2.6)
        low = top - 0.5
        shape = [[x - wide, low, z], [x + wide, low, z], [x + wide, top + tall, z]]
        colour = np.array(pick(rng, canvas.look.palette.facades)) * rng.uniform(0.6, 1.0)
        canvas.fill(np.array([*shape, [x - wide, top + tall, z]]), colour, labels.BUILDING)
