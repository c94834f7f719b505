"""Houses, garden walls and fences along the street."""

from dataclasses import dataclass

import numpy as np

from daseg.worlds.drawing import labels
from daseg.worlds.drawing.canvas import NEAR, Canvas
from daseg.worlds.drawing.facades import decorate_face, paint_chimneys, paint_shop
from daseg.worlds.drawing.looks import Colour, Look, Rng, pick
from daseg.worlds.drawing.solids import patches


@dataclass(frozen=True)
class House:
    """A house: its street front lies in the plane x, from ``start`` to ``end``, in metres."""

    x: float  # its sign is the side of the street
    start: float
    end: float
    height: float  # of the eaves
    floors: int
    wall: Colour
    roof: Colour
    pitched: bool  # with a sloping roof
    shop: bool  # with shop windows on the ground floor
    bay: float  # distance between windows
    glazed: bool  # a glass facade (bands of windows)


def draw_house(rng: Rng, look: Look, x: float, start: float, end: float) -> House:
    """Draw a house in the style of the look's domain."""
    floors = int(rng.choice([1, 2, 3, 5, 9], p=[0.25, 0.32, 0.2, 0.13, 0.1]))
    if not look.is_game:
        floors = int(rng.choice([2, 3, 4, 5], p=[0.12, 0.28, 0.35, 0.25]))
    storey = rng.uniform(3.0, 3.9)
    wall = np.array(pick(rng, look.palette.facades)) * rng.uniform(0.88, 1.08)
    return House(
        x=x,
        start=start,
        end=end,
        height=floors * storey + 0.6,
        floors=floors,
        wall=tuple(wall.tolist()),
        roof=pick(rng, look.palette.roofs),
        pitched=bool(rng.random() < (0.15 if look.is_game else 0.75)),
        shop=bool(rng.random() < 0.5),
        bay=float(rng.uniform(2.6, 4.2) if look.is_game else rng.uniform(1.9, 2.8)),
        glazed=bool(rng.random() < (0.3 if look.is_game else 0.08)),
    )


def paint_house(canvas: Canvas, rng: Rng, house: House) -> None:
    """The end wall that faces the camera, the roof and the street front."""
    away = np.sign(house.x) * 11.0
    start = max(house.start, NEAR)
    front = _rectangle((house.x, start), (house.x, house.end), 0, house.height)
    gable = _rectangle((house.x, start), (house.x + away, start), 0, house.height)
    varied = canvas.look.is_varied
    if varied:
        top = house.height + (3.4 if house.pitched else 0)
        paint_chimneys(canvas, rng, house.x + away / 2, start, house.end, top)
    if house.pitched:
        _paint_roof(canvas, house, start, away)
    if house.start > NEAR:
        gain = canvas.look.shade(np.array([0.0, 0, -1]))
        canvas.fill(gable, house.wall, labels.BUILDING, gain=gain)
        _paint_windows(canvas, rng, house, gable, 11.0, gain)
        if varied:
            decorate_face(canvas, rng, gable, house.wall, house.floors, gain)
    gain = canvas.look.shade(np.array([-np.sign(house.x), 0, 0]))
    canvas.fill(front, house.wall, labels.BUILDING, gain=gain)
    if house.end - start > 3:
        _paint_windows(canvas, rng, house, front, house.end - start, gain)
        if varied and house.shop:
            paint_shop(canvas, rng, front, house.floors, gain)
        else:
            _paint_ground_floor(canvas, rng, house, front, gain)
        if varied:
            decorate_face(canvas, rng, front, house.wall, house.floors, gain)
    cornice = _rectangle((house.x, start), (house.x, house.end), house.height - 0.4, house.height)
    canvas.fill(cornice, house.wall, labels.BUILDING, gain=gain * 1.14)


def _rectangle(
    near: tuple[float, float], far: tuple[float, float], low: float, high: float
) -> np.ndarray:
    """An upright rectangle over the ground line from ``near`` to ``far`` (x, z), (4, 3)."""
    (x0, z0), (x1, z1) = near, far
    return np.array([[x0, low, z0], [x1, low, z1], [x1, high, z1], [x0, high, z0]], dtype=float)


def _paint_roof(canvas: Canvas, house: House, start: float, away: float) -> None:
    ridge = np.array([house.x + away / 2, house.height + 3.6, 0])
    eaves = np.array([house.x, house.height, 0])
    ahead, back = np.array([0, 0, house.end]), np.array([0, 0, start])
    end_wall = [eaves + back, ridge + back, eaves + back + [away, 0, 0]]
    gain = canvas.look.shade(np.array([0.0, 0, -1]))
    canvas.fill(np.array(end_wall), house.wall, labels.BUILDING, gain=gain)
    slope = np.array([eaves + back, eaves + ahead, ridge + ahead, ridge + back])
    lit = canvas.look.shade(np.array([-np.sign(house.x) * 0.6, 0.8, 0]))
    canvas.fill(slope, house.roof, labels.BUILDING, gain=lit)


def _paint_windows(
    canvas: Canvas, rng: Rng, house: House, face: np.ndarray, length: float, gain: float
) -> None:
    """A grid of windows with frames; too far away they melt into the wall."""
    columns = max(1, int(length / house.bay))
    if face[0, 2] > 75:
        return
    floor, column = np.mgrid[int(house.shop) : house.floors, 0:columns].reshape(2, -1)
    if not floor.size:
        return
    left, low = (column + 0.22) / columns, (floor + 0.28) / house.floors * 0.96
    wide, tall = (0.98 if house.glazed else 0.56) / columns, 0.5 / house.floors
    left = (column + 0.01) / columns if house.glazed else left
    glass = np.array(canvas.look.palette.glass)
    tone = rng.integers(0, 3, floor.size)
    trim = 0.012 * min(1.0, 10 / length), 0.04 / house.floors
    panes = np.stack([left, low, left + wide, low + tall], axis=1)
    rims = panes + np.array([-trim[0], -trim[1], trim[0], trim[1]])
    canvas.fill(patches(face, rims), np.array(house.wall) * 1.12 + 12, labels.BUILDING, gain=gain)
    for number, colour in enumerate((glass * 0.75, glass, glass * 1.25 + 20)):
        some = tone == number
        if some.any():
            canvas.fill(patches(face, panes[some]), colour, labels.BUILDING, gain=gain)


def _paint_ground_floor(
    canvas: Canvas, rng: Rng, house: House, front: np.ndarray, gain: float
) -> None:
    """Doors; where there are shops: their windows, fascia and awnings."""
    bays = max(1, int((house.end - house.start) / 4.5))
    door, top = 2.3 / house.height, 0.94 / house.floors

    def fill(left: float, low: float, right: float, high: float, colour: Colour) -> None:
        area = np.array([[left, low, right, high]])
        canvas.fill(patches(front, area)[0], colour, labels.BUILDING, gain=gain)

    if house.shop:
        glass = np.array(canvas.look.palette.glass) * 0.9
        for u in np.arange(bays) / bays:
            fill(u + 0.06 / bays, 0.5 / house.height, u + 0.66 / bays, door * 1.1, glass)
            sign = np.array(pick(rng, canvas.look.palette.cars)) * 0.8 + 30
            fill(u + 0.03 / bays, top - 0.6 / house.height, u + 0.97 / bays, top, sign)
    for u in (np.arange(bays) + 0.74) / bays:
        brown = np.array([92, 66, 50]) * rng.uniform(0.6, 1.3)
        fill(u, 0.0, u + 0.2 / bays, door, brown)


def paint_wall(canvas: Canvas, rng: Rng, x: float, start: float, end: float) -> None:
    """A garden or retaining wall of brick or concrete with a coping."""
    height, start = rng.uniform(1.3, 2.6), max(start, NEAR)
    gain = canvas.look.shade(np.array([-np.sign(x), 0, 0]))
    colour = np.array(canvas.look.palette.wall) * rng.uniform(0.85, 1.1)
    face = _rectangle((x, start), (x, end), 0, height)
    canvas.fill(face, colour, labels.WALL, gain=gain)
    stub = _rectangle((x, start), (x + np.sign(x) * 0.4, start), 0, height)
    canvas.fill(stub, colour, labels.WALL, gain=canvas.look.shade(np.array([0.0, 0, -1])))
    courses = [_rectangle((x, start), (x, end), y, y + 0.03) for y in np.arange(0.3, height, 0.3)]
    canvas.fill(np.array(courses), colour * 0.84, labels.WALL, gain=gain)
    top = _rectangle((x, start), (x, end), height - 0.15, height)
    canvas.fill(top, colour * 1.15, labels.WALL, gain=gain)


def paint_fence(canvas: Canvas, rng: Rng, x: float, start: float, end: float) -> None:
    """A fence: rails, posts and bars, or boards. What shows between the bars is labelled fence."""
    height, start = rng.uniform(1.0, 2.0), max(start, NEAR)
    face = _rectangle((x, start), (x, end), 0, height)
    boards = rng.random() < (0.5 if canvas.look.is_game else 0.25)
    colour = np.array((150, 112, 76) if boards else (92, 98, 96)) * rng.uniform(0.7, 1.15)
    gain = canvas.look.shade(np.array([-np.sign(x), 0, 0]))
    step, width = (0.24, 0.2) if boards else (0.16, 0.05)
    if not boards:
        canvas.tag(face, labels.FENCE)
    places = np.arange(start, end, step)
    places = places[places < 60]
    bars = [_rectangle((x, z), (x, z + width), 0.05, height) for z in places]
    rails = [_rectangle((x, start), (x, end), y, y + 0.08) for y in (0.2, height - 0.12)]
    if bars:
        canvas.fill(np.array(bars), colour, labels.FENCE, gain=gain)
    for rail in rails:
        canvas.fill(rail, colour * 0.9, labels.FENCE, gain=gain)
    for z in np.arange(start, end, 2.5):
        canvas.fill(_rectangle((x, z), (x, z + 0.1), 0, height + 0.1), colour * 0.8, labels.FENCE)


@dataclass(frozen=True)
class Railing:
    """Thin iron bars, often on a low wall."""

    base: float  # height of the wall, metres
    height: float  # of the bars' upper ends
    step: float  # from bar to bar
    wall: Colour
    iron: Colour


def draw_railing(rng: Rng, look: Look) -> Railing:
    """Draw a railing; its wall has the colours of houses."""
    base = float(rng.choice([0.05, rng.uniform(0.3, 0.9)]))
    wall = np.array(pick(rng, look.palette.facades)) * rng.uniform(0.5, 1.0)
    iron = np.array((38, 40, 42)) * rng.uniform(0.5, 2.0)
    high, step = rng.uniform(0.8, 1.8), rng.uniform(0.12, 0.22)
    return Railing(base, float(base + high), float(step), wall, iron)


def paint_railing(
    canvas: Canvas, rng: Rng, railing: Railing, x: float, start: float, end: float, y: float = 0.0
) -> None:
    """Bars from ``start`` to ``end`` on ground of height ``y``; what shows between is fence."""
    start, base, top = max(start, NEAR), y + railing.base, y + railing.height
    if end <= start:
        return
    gain = canvas.look.shade(np.array([-np.sign(x), 0, 0]))
    if railing.base > 0.1:
        canvas.fill(_rectangle((x, start), (x, end), y, base), railing.wall, labels.WALL, gain=gain)
    canvas.tag(_rectangle((x, start), (x, end), base, top), labels.FENCE)
    places = np.arange(start, min(end, 50), railing.step)
    bars = [_rectangle((x, z), (x, z + 0.025), base, top) for z in places]
    bars += [_rectangle((x, start), (x, end), low, low + 0.05) for low in (base + 0.1, top - 0.15)]
    for bar in bars:
        canvas.fill(bar, railing.iron, labels.FENCE, gain=gain)
