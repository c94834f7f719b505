"""Boxes with panels on their faces: what vehicles are made of."""

import math
from dataclasses import dataclass, field

import numpy as np

from daseg.worlds.drawing.canvas import Canvas
from daseg.worlds.drawing.looks import Colour

# Corners are numbered by bits: 1 = right, 2 = up, 4 = ahead. Each face goes round from its lower
# left corner, as seen from outside; the second triple is its normal.
FACES = {
    "back": ((0, 1, 3, 2), (0.0, 0.0, -1.0)),
    "front": ((5, 4, 6, 7), (0.0, 0.0, 1.0)),
    "left": ((4, 0, 2, 6), (-1.0, 0.0, 0.0)),
    "right": ((1, 5, 7, 3), (1.0, 0.0, 0.0)),
    "top": ((2, 3, 7, 6), (0.0, 1.0, 0.0)),
}


@dataclass(frozen=True)
class Panel:
    """A rectangle on a face in the face's own coordinates, 0..1 from the lower left corner."""

    face: str
    area: tuple[float, float, float, float]  # left, bottom, right, top
    colour: Colour


@dataclass(frozen=True)
class Box:
    """A box in the vehicle's own frame: x across, y up, z ahead, metres; it may taper upwards."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    colour: Colour
    taper: tuple[float, float, float] = (0.0, 0.0, 0.0)  # of the top: each side, back, front
    panels: list[Panel] = field(default_factory=list)  # windows, lights and the like

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

    def turn(self, normal: tuple[float, float, float]) -> tuple[float, float, float]:
        """A direction in the own frame to the world's."""
        cos, sin = math.cos(self.heading), math.sin(self.heading)
        x, y, z = normal
        return x * cos + z * sin, y, z * cos - x * sin


def paint_box(canvas: Canvas, place: Place, box: Box, label: int) -> None:
    """Paint the faces that look at the camera, each with its panels."""
    corners = place.move(box.corners())
    depth = max(0.0, float(corners[:, 2].mean()))
    # Seen small, panels are specks.
    panels = box.panels if canvas.camera.pixels(1.0, depth) > 8 else []
    areas = np.array([panel.area for panel in panels]).reshape(-1, 4)
    faces = corners[np.array([FACES[panel.face][0] for panel in panels], int).reshape(-1, 4)]
    points = np.concatenate([corners, patches(faces, areas).reshape(-1, 3)])
    pixels = canvas.camera.project(points)
    for name, (numbers, normal) in FACES.items():
        outline = pixels[list(numbers)]
        (a, b), (c, d), (e, f), (g, h) = outline.tolist()
        if (e - a) * (h - d) >= (g - c) * (f - b):  # clockwise: it faces away
            continue
        gain = canvas.look.shade(place.turn(normal))
        canvas.fill_pixels(outline, box.colour, label, depth, gain)
        for number, panel in enumerate(panels):
            if panel.face == name:
                shape = pixels[8 + 4 * number : 12 + 4 * number]
                canvas.fill_pixels(shape, panel.colour, label, depth, gain)


def patches(faces: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """The parts (P, 4, 3) of faces (P, 4, 3) in areas (P, 4): left, bottom, right, top, 0..1."""
    left, bottom, right, top = areas.T
    u = np.stack([left, right, right, left], axis=1)
    v = np.stack([bottom, bottom, top, top], axis=1)
    weights = np.stack([(1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v], axis=2)
    return weights @ faces
