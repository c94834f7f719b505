"""Boxes with panels on their faces: what vehicles are made of."""

from dataclasses import dataclass, field

import numpy as np

from daseg.datasets.demo.canvas import Canvas
from daseg.datasets.demo.looks import Colour

# Corners are numbered by bits: 1 = right, 2 = up, 4 = ahead. Each face goes round from its lower
# left corner, as seen from outside.
FACES = {
    "back": np.array((0, 1, 3, 2)),
    "front": np.array((5, 4, 6, 7)),
    "left": np.array((4, 0, 2, 6)),
    "right": np.array((1, 5, 7, 3)),
    "top": np.array((2, 3, 7, 6)),
}


@dataclass(frozen=True)
class Panel:
    """A rectangle on a face in the face's own coordinates, 0..1 from the lower left corner."""

    face: str
    area: tuple[float, float, float, float]  # left, bottom, right, top
    colour: Colour


@dataclass(frozen=True)
class Box:
    """A box in the vehicle's own frame: x across, y up, z ahead, metres; it may taper upwards.

    Attributes:
        low: least x, y, z.
        high: greatest x, y, z.
        colour: paint.
        taper: how far the top is drawn in: at each side, at the back, at the front, metres.
        panels: windows, lights and the like.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    colour: Colour
    taper: tuple[float, float, float] = (0.0, 0.0, 0.0)
    panels: list[Panel] = field(default_factory=list)

    def corners(self) -> np.ndarray:
        """The eight corners, (8, 3)."""
        bits = (np.arange(8)[:, None] >> np.arange(3)) & 1
        points = np.where(bits == 1, self.high, self.low).astype(np.float64)
        side, back, front = self.taper
        points[2::4, 0] += side
        points[3::4, 0] -= side
        points[2:4, 2] += back
        points[6:8, 2] -= front
        return points


@dataclass(frozen=True)
class Place:
    """Where a thing stands: ground position in metres, heading in radians (0 = ahead)."""

    x: float
    z: float
    heading: float = 0.0
    y: float = 0.0

    def move(self, points: np.ndarray) -> np.ndarray:
        """Own frame (..., 3) to world (..., 3)."""
        cos, sin = np.cos(self.heading), np.sin(self.heading)
        x = points[..., 0] * cos + points[..., 2] * sin + self.x
        z = points[..., 2] * cos - points[..., 0] * sin + self.z
        return np.stack([x, points[..., 1] + self.y, z], axis=-1)


def paint_box(canvas: Canvas, place: Place, box: Box, label: int) -> None:
    """Paint the faces that look at the camera, each with its panels."""
    corners = place.move(box.corners())
    middle = corners.mean(0)
    eye = np.array([canvas.camera.x, canvas.camera.y, 0.0])
    fine = canvas.camera.pixels(1.0, middle[2]) > 8  # else panels are specks
    for name, numbers in FACES.items():
        face = corners[numbers]
        normal = _outward(face, middle)
        if normal @ (face[0] - eye) >= 0:
            continue
        gain = canvas.look.shade(normal)
        canvas.fill(face, box.colour, label, gain=gain)
        for panel in box.panels if fine else ():
            if panel.face == name:
                canvas.fill(patch(face, panel.area), panel.colour, label, gain=gain)


def _outward(face: np.ndarray, middle: np.ndarray) -> np.ndarray:
    a, b = face[1] - face[0], face[3] - face[0]
    normal = np.array(
        [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    )
    normal /= np.sqrt(normal @ normal) + 1e-12
    return normal if normal @ (face[0] - middle) > 0 else -normal


def patch(face: np.ndarray, area: tuple[float, float, float, float]) -> np.ndarray:
    """The part (4, 3) of a face (4, 3) that lies in ``area`` = left, bottom, right, top."""
    left, bottom, right, top = area
    weights = [
        ((1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v)
        for u, v in ((left, bottom), (right, bottom), (right, top), (left, top))
    ]
    return np.array(weights) @ face
