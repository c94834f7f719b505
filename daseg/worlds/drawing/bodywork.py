"""Cars with curved bodywork, for the varied game: a side profile that is drawn across the width."""

from dataclasses import dataclass

import numpy as np

from daseg.worlds.drawing import labels
from daseg.worlds.drawing.canvas import Canvas
from daseg.worlds.drawing.looks import Colour, Look, Rng, pick
from daseg.worlds.drawing.solids import Box, Place, paint_box
from daseg.worlds.drawing.vehicles import DARK, HEAD, PLATE, TAIL, Vehicle

BELT = 0.62  # height of the windows' lower edge, as a share of the car's
# Side profiles from the rear bumper over the roof to the front bumper: share of the length, share
# of the height. The first two steps and the last two are bumpers and what bears the lamps.
PROFILES = dict(
    hatch=[(0.01, 0.16), (0.0, 0.45), (0.02, 0.64), (0.13, 0.95), (0.3, 1.0), (0.5, 0.98),
           (0.58, 0.93), (0.76, 0.65), (0.96, 0.52), (1.0, 0.38), (0.99, 0.16)],
    saloon=[(0.01, 0.16), (0.0, 0.45), (0.01, 0.62), (0.16, 0.66), (0.28, 0.93), (0.4, 1.0),
            (0.52, 0.98), (0.58, 0.93), (0.73, 0.66), (0.96, 0.52), (1.0, 0.38), (0.99, 0.16)],
    estate=[(0.01, 0.16), (0.0, 0.45), (0.01, 0.64), (0.07, 0.95), (0.3, 1.0), (0.5, 0.98),
            (0.58, 0.93), (0.73, 0.65), (0.96, 0.52), (1.0, 0.38), (0.99, 0.16)],
    van=[(0.0, 0.12), (0.0, 0.4), (0.0, 0.6), (0.02, 0.97), (0.3, 1.0), (0.66, 1.0), (0.73, 0.96),
         (0.86, 0.6), (0.98, 0.48), (1.0, 0.3), (0.99, 0.12)],
)  # fmt: skip
WINDOWS = dict(hatch=(2, 6), saloon=(3, 7), estate=(2, 6), van=(2, 6))  # steps: rear, front
GLASS = ((34, 40, 46), (52, 64, 74), (18, 20, 22), (90, 104, 112))
SIZES = dict(  # length and height in metres
    hatch=(3.8, 1.45), saloon=(4.5, 1.42), estate=(4.5, 1.5), van=(4.9, 2.1)
)


@dataclass(frozen=True, kw_only=True)
class Car(Vehicle):
    """A car whose body follows a side profile (V, 2): z and y in metres."""

    profile: np.ndarray
    paint_colour: Colour
    glass: Colour
    windows: tuple[int, int]  # the profile's steps that are the rear and front window
    gloss: float  # share of the sky that faces looking up reflect, 0..1

    def paint(self, canvas: Canvas, place: Place) -> None:
        if not canvas.camera.sees(place.x, place.z, self.length + 1):
            return
        near = canvas.camera.pixels(self.radius, place.z) > 4
        for tyre in self._tyres() if near else []:
            paint_box(canvas, place, tyre, self.label)
        faces = self._sides() + self._bands()
        eye = np.array([canvas.camera.x, canvas.camera.y, 0.0])
        shown = []
        for outline, normal, parts in faces:
            points, facing = place.move(outline), np.array(place.turn(normal))
            if (points.mean(0) - eye) @ facing < 0:
                shown.append((points, facing, parts))
        for points, facing, parts in sorted(shown, key=lambda face: -face[0][:, 2].mean()):
            gain = canvas.look.shade(facing)
            sky = np.array(canvas.look.palette.sky_bottom) * self.gloss * max(facing[1], 0)
            canvas.fill(points, np.array(self.paint_colour) + sky, self.label, gain=gain)
            for part, tone in parts if near else parts[:1]:
                canvas.fill(place.move(part), tone, self.label, gain=gain)
        if near:
            self._paint_wheels(canvas, place)

    def _across(self, y: np.ndarray) -> np.ndarray:
        """Half the width at heights ``y``: the cabin leans inwards."""
        top = self.profile[:, 1].max()
        return self.half * (1 - 0.2 * np.clip((y / top - BELT) / (1 - BELT), 0, 1))

    def _sides(self) -> list:
        """The two sides: outline (V, 3), normal, and windows, post and sill in their colours."""
        z, y = self.profile.T
        top = y.max()
        centre = np.array([z.mean(), top * 0.78])
        above = self.profile[y > BELT * top * 1.03]
        window = centre + (above - centre) * [0.86, 0.8]
        window = np.concatenate([[[window[0, 0] - 0.12, BELT * top * 1.02]], window])
        window = np.concatenate([window, [[window[-1, 0] + 0.12, BELT * top * 1.02]]])
        pillar = window[:, 0].min() + 0.48 * np.ptp(window[:, 0])
        post = np.array([[-0.04, BELT], [0.04, BELT], [0.04, 0.97], [-0.04, 0.97]])
        sill = np.array([[0.02, 0.16], [0.98, 0.16], [0.98, 0.24], [0.02, 0.24]])
        faces = []
        for side in (-1.0, 1.0):

            def place(flat: np.ndarray, side: float = side) -> np.ndarray:
                x = side * self._across(flat[:, 1])
                return np.column_stack([x, flat[:, 1], flat[:, 0]])

            parts = [
                (place(window), self.glass),
                (place(post * [1, top] + [pillar, 0]), self.paint_colour),
                (place(sill * [self.length, top]), DARK),
            ]
            faces.append((place(self.profile), (side, 0.0, 0.0), parts))
        return faces

    def _bands(self) -> list:
        """What lies between neighbouring points of the profile, across the car; as `_sides`."""
        faces, last = [], len(self.profile) - 2
        for step in range(last + 1):
            (z0, y0), (z1, y1) = self.profile[step : step + 2]
            one, two = self._across(np.array([y0, y1]))
            outline = np.array([[-one, y0, z0], [one, y0, z0], [two, y1, z1], [-two, y1, z1]])
            slope = np.array([0.0, z1 - z0, -(y1 - y0)])
            normal = tuple(slope / (np.linalg.norm(slope) + 1e-9))
            upright = outline if y1 > y0 else outline[::-1]
            parts = []
            if step in self.windows:
                parts = [(_inner(upright, 0.08, 0.1, 0.92, 0.9), self.glass)]
            elif step in (0, 1, last - 1, last):
                bumper, lamp = step in (0, last), TAIL if step == 1 else HEAD
                parts = [
                    (_inner(upright, 0.36, 0.25, 0.64, 0.6), PLATE if bumper else DARK),
                    (_inner(upright, 0.04, 0.35, 0.21, 0.85), DARK if bumper else lamp),
                    (_inner(upright, 0.79, 0.35, 0.96, 0.85), DARK if bumper else lamp),
                ]
            faces.append((outline, normal, parts))
        return faces


def _inner(face: np.ndarray, left: float, low: float, right: float, high: float) -> np.ndarray:
    """A part of a face (4, 3), whose corners go round from the lower left one."""
    u, v = np.array([left, right, right, left])[:, None], np.array([low, low, high, high])[:, None]
    bottom, upper = face[0] * (1 - u) + face[1] * u, face[3] * (1 - u) + face[2] * u
    return bottom * (1 - v) + upper * v


def varied_car(rng: Rng, look: Look) -> Car:
    """A hatchback, saloon, estate or van."""
    kind = str(rng.choice(list(PROFILES), p=[0.4, 0.25, 0.2, 0.15]))
    length, height = np.array(SIZES[kind]) * rng.uniform(0.93, 1.07, 2)
    profile = np.array(PROFILES[kind]) + rng.normal(0, 0.008, (len(PROFILES[kind]), 2))
    profile = profile * [length, height]
    half = 0.86 * rng.uniform(0.95, 1.07)
    body = Box((-half, 0.2, 0), (half, float(height), float(length)), (0, 0, 0))  # for its shadow
    return Car(
        labels.CAR,
        [body],
        (0.19 * float(length), 0.81 * float(length)),
        0.3,
        half,
        float(length),
        profile=profile,
        paint_colour=pick(rng, look.palette.cars),
        glass=pick(rng, GLASS),
        windows=WINDOWS[kind],
        gloss=float(rng.uniform(0, 0.35)),
    )
