"""People on foot, and riders on bicycles and motorcycles."""

import numpy as np

from daseg.worlds.drawing import labels
from daseg.worlds.drawing.canvas import Canvas
from daseg.worlds.drawing.looks import Colour, Rng, pick
from daseg.worlds.drawing.solids import Place

SKIN = ((224, 180, 150), (198, 150, 116), (150, 104, 76), (108, 74, 54))
HAIR = ((40, 30, 24), (92, 64, 40), (160, 130, 84), (70, 68, 66))
TURN = np.linspace(0, 2 * np.pi, 17)


def _clothes(canvas: Canvas, rng: Rng) -> np.ndarray:
    return np.array(pick(rng, canvas.look.palette.clothes)) * rng.uniform(0.7, 1.2)


def paint_person(canvas: Canvas, rng: Rng, place: Place) -> None:
    """A standing or walking person, a figure that faces the camera or goes along the street."""
    height = rng.uniform(1.55, 1.9) * (0.65 if rng.random() < 0.06 else 1.0)
    stride, lean = rng.uniform(0.0, 0.16), rng.uniform(-0.02, 0.02)
    turned = rng.uniform(0.6, 1.0)
    coat, trousers, skin = _clothes(canvas, rng), _clothes(canvas, rng) * 0.8, pick(rng, SKIN)

    def body(shape: list[tuple[float, float]], colour: Colour, gain: float = 1.0) -> None:
        flat = np.array(shape) * height
        points = np.column_stack([flat[:, 0] * turned + place.x, flat[:, 1] + place.y])
        points = np.column_stack([points, np.full(len(flat), place.z)])
        canvas.fill(points, colour, labels.PERSON, gain=gain)

    for side, gain in ((-1, 0.85), (1, 1.0)):
        foot, hip = side * stride, side * 0.05
        body(
            [(hip - 0.055, 0.5), (hip + 0.055, 0.5), (foot + 0.035, 0.03), (foot - 0.04, 0.03)],
            trousers,
            gain,
        )
        toe = foot + 0.03 * np.sign(stride)
        body([(foot - 0.045, 0.0), (toe + 0.045, 0.0), (foot + 0.03, 0.05)], (34, 30, 30))
    arm = 0.5 * stride
    for side in (-1, 1):
        hand = side * (0.15 + 0.3 * arm) - arm * 0.4
        shape = [(side * 0.11, 0.81), (side * 0.155, 0.78), (hand + 0.025, 0.47)]
        body([*shape, (hand - 0.025, 0.47)], coat, 0.8)
    hem = 0.36 if rng.random() < 0.3 else 0.46
    body(
        [(-0.1, hem), (0.1, hem), (0.12 + lean, 0.8), (0.05, 0.84), (-0.05, 0.84), (-0.12, 0.8)],
        coat,
    )
    _paint_head(canvas, rng, place, height, skin)


def _paint_head(canvas: Canvas, rng: Rng, place: Place, height: float, skin: tuple) -> None:
    at = np.array([place.x, place.y + 0.92 * height, place.z])
    hair = pick(rng, HAIR)
    canvas.disc(at + [0, 0.02 * height, 0], 0.062 * height, hair, labels.PERSON, tall=1.15)
    if rng.random() < 0.55:  # else seen from behind
        canvas.disc(at - [0, 0.008 * height, 0], 0.052 * height, skin, labels.PERSON, tall=1.15)


class Cycle:
    """Lines in a vehicle's own plane: forward and up in metres, sideways on request."""

    def __init__(self, canvas: Canvas, place: Place, label: int) -> None:
        self.canvas, self.place, self.label = canvas, place, label

    def points(self, shape: np.ndarray | list, side: float = 0.0) -> np.ndarray:
        """(V, 2) forward and up -> (V, 3) world."""
        flat = np.asarray(shape, dtype=np.float64)
        own = np.column_stack([np.full(len(flat), side), flat[:, 1], flat[:, 0]])
        return self.place.move(own)

    def line(
        self, shape: list, width: float, colour: Colour, *, side: float = 0, label: int = -1
    ) -> None:
        chosen = self.label if label < 0 else label
        self.canvas.line(self.points(shape, side), width, colour, chosen)

    def across(self, at: tuple[float, float], half: float, width: float, colour: Colour) -> None:
        own = np.array([[-half, at[1], at[0]], [half, at[1], at[0]]])
        self.canvas.line(self.place.move(own), width, colour, self.label)

    def wheel(self, forward: float, radius: float, width: float, *, solid: bool) -> None:
        ring = [(forward + radius * np.cos(t), radius * (1 + np.sin(t))) for t in TURN]
        if solid:
            self.canvas.fill(self.points(ring), (60, 60, 64), self.label)
        else:
            self.canvas.tag(self.points(ring), self.label)
            for turn in TURN[:8:2]:
                step = radius * np.array([np.cos(turn), np.sin(turn)])
                hub = np.array([forward, radius])
                self.line([hub - step, hub + step], 0.008, (120, 120, 120))
        self.line(ring, width, (24, 24, 26))


def paint_bicycle(canvas: Canvas, rng: Rng, place: Place) -> None:
    """A bicycle; seen along its heading only its tyres and handlebar show."""
    bike = Cycle(canvas, place, labels.BICYCLE)
    colour = pick(rng, ((30, 30, 32), (150, 30, 34), (40, 70, 130), (60, 110, 70), (190, 190, 190)))
    for axle in (-0.52, 0.52):
        bike.wheel(axle, 0.34, 0.055, solid=False)
    bike.line(
        [(-0.52, 0.34), (-0.05, 0.3), (0.36, 0.82), (-0.18, 0.78), (-0.52, 0.34)], 0.05, colour
    )
    bike.line([(-0.05, 0.3), (-0.2, 0.9)], 0.05, colour)
    bike.line([(0.52, 0.34), (0.36, 0.98)], 0.05, colour)
    bike.line([(-0.3, 0.93), (-0.1, 0.93)], 0.07, (26, 24, 24))
    bike.across((0.34, 1.0), 0.27, 0.045, (40, 40, 42))
    if np.cos(place.heading) > 0.5:
        canvas.disc(bike.points([(-0.56, 0.72)])[0], 0.05, (190, 24, 24), labels.BICYCLE)


def paint_motorcycle(canvas: Canvas, rng: Rng, place: Place) -> None:
    """A motorcycle or scooter."""
    bike = Cycle(canvas, place, labels.MOTORCYCLE)
    colour = np.array(pick(rng, canvas.look.palette.cars)) * 0.9
    for axle in (-0.68, 0.68):
        bike.wheel(axle, 0.31, 0.13, solid=True)
    bike.line([(-0.35, 0.4), (0.3, 0.42)], 0.36, (58, 58, 62))
    bike.line([(-0.75, 0.62), (0.1, 0.58), (0.42, 0.78)], 0.26, colour)
    bike.line([(-0.75, 0.8), (-0.05, 0.78)], 0.16, (28, 26, 26))
    bike.line([(0.68, 0.31), (0.42, 1.02)], 0.09, (130, 130, 134))
    bike.across((0.4, 1.05), 0.36, 0.06, (34, 34, 36))
    rear = np.cos(place.heading) > 0
    end = bike.points([(-0.85, 0.68) if rear else (0.6, 0.86)])[0]
    canvas.disc(end, 0.09, (186, 22, 22) if rear else (240, 240, 226), labels.MOTORCYCLE)
    if rear:
        bike.across((-0.88, 0.5), 0.1, 0.14, (222, 222, 214))


def paint_rider(canvas: Canvas, rng: Rng, place: Place, *, motor: bool = False) -> None:
    """Someone on a bicycle or a motorcycle, which is painted too."""
    (paint_motorcycle if motor else paint_bicycle)(canvas, rng, place)
    body = Cycle(canvas, place, labels.RIDER)
    coat, trousers, skin = _clothes(canvas, rng), _clothes(canvas, rng) * 0.7, pick(rng, SKIN)
    seat = 0.82 if motor else 0.94
    bend = rng.uniform(-0.08, 0.1)
    shoulder, hand = (0.1 + bend, seat + 0.52), (0.34, 1.06)
    for side in (-1, 1):
        foot = (0.05 * side, 0.3 + 0.1 * side * (not motor))
        knee = (0.2, 0.52 + 0.08 * side + 0.1 * motor)
        body.line([(-0.2, seat), knee, foot], 0.13, trousers, side=0.11 * side)
        body.line([(foot[0], foot[1]), (foot[0] + 0.14, foot[1] - 0.03)], 0.08, (30, 28, 28))
    body.line([(-0.2, seat + 0.04), ((-0.2 + shoulder[0]) / 2, seat + 0.28), shoulder], 0.31, coat)
    for side in (-1, 1):
        elbow = (shoulder[0] + 0.12, shoulder[1] - 0.3)
        body.line([shoulder, elbow, hand], 0.1, coat * 0.88, side=0.22 * side)
    _paint_rider_head(canvas, rng, body, (shoulder[0] + 0.05, shoulder[1] + 0.25), skin, motor)


def _paint_rider_head(
    canvas: Canvas, rng: Rng, body: Cycle, at: tuple[float, float], skin: tuple, motor: bool
) -> None:
    head = body.points([at])[0]
    helmet = motor or rng.random() < 0.4
    top = pick(rng, ((30, 30, 34), (200, 200, 200), (170, 40, 40))) if helmet else pick(rng, HAIR)
    canvas.disc(head, 0.15 if motor else 0.12, top, labels.RIDER, tall=1.15)
    if np.cos(body.place.heading) < 0.5:
        canvas.disc(head - [0, 0.04, 0], 0.085, skin, labels.RIDER)
