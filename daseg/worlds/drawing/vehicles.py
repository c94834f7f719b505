"""Cars, trucks, buses and trams, built from boxes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from daseg.worlds.drawing import labels
from daseg.worlds.drawing.canvas import Canvas
from daseg.worlds.drawing.looks import Colour, Look, Rng, colours, pick
from daseg.worlds.drawing.solids import Box, Panel, Place, paint_box

TYRE, RIM = (22.0, 22.0, 24.0), (132.0, 134.0, 138.0)
TAIL, HEAD, DARK = (176.0, 20.0, 22.0), (240.0, 238.0, 222.0), (30.0, 31.0, 34.0)
PLATE = (226.0, 226.0, 218.0)


@dataclass(frozen=True)
class Vehicle:
    """A vehicle in its own frame, its rear end at z = 0."""

    label: int
    boxes: list[Box]
    axles: tuple[float, ...]  # z of the wheels
    radius: float  # of the wheels
    half: float  # half the width
    length: float  # along z
    base: int = 1  # so many boxes are painted in their order, the rest over them, far to near

    def footprint(self, place: Place) -> np.ndarray:
        """Ground rectangle, (4, 3)."""
        x, z = self.half + 0.1, self.length
        return place.move(np.array([[-x, 0, -0.2], [x, 0, -0.2], [x, 0, z], [-x, 0, z]]))

    def paint(self, canvas: Canvas, place: Place) -> None:
        if not canvas.camera.sees(place.x, place.z, self.length + 1):
            return
        near = canvas.camera.pixels(self.radius, place.z) > 7
        tyres = [
            Box((x - 0.12, 0, z - self.radius), (x + 0.12, self.radius, z + self.radius), TYRE)
            for z in self.axles
            for x in (-self.half + 0.16, self.half - 0.16)
            if near
        ]
        for box in (*tyres, *self._ordered(place)):
            paint_box(canvas, place, box, self.label)
        if near:
            self._paint_wheels(canvas, place)

    def _ordered(self, place: Place) -> list[Box]:
        ahead = math.cos(place.heading)
        rest = sorted(self.boxes[self.base :], key=lambda box: -ahead * (box.low[2] + box.high[2]))
        return self.boxes[: self.base] + rest

    def _paint_wheels(self, canvas: Canvas, place: Place) -> None:
        turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        for side in (-1, 1):
            outward = place.move(np.array([side, 0, 0])) - place.move(np.zeros(3))
            spot = place.move(np.array([side * self.half, 0.3, 0.5 * self.length]))
            if outward @ (spot - np.array([canvas.camera.x, canvas.camera.y, 0])) >= 0:
                continue
            for z in self.axles:
                for share, colour in ((1.0, TYRE), (0.62, RIM)):
                    rim = np.empty((12, 3))
                    rim[:, 0] = side * (self.half + 0.01)
                    rim[:, 1] = self.radius * (1 + share * np.sin(turn))
                    rim[:, 2] = z + share * self.radius * np.cos(turn)
                    canvas.fill(place.move(rim), colour, self.label, gain=0.8)


def car(rng: Rng, look: Look, *, colour: Colour | None = None) -> Vehicle:
    """A hatchback, a saloon, an estate, a van-like car or (game) a pickup."""
    paint = colour or pick(rng, look.palette.cars)
    kind = rng.choice(["hatch", "saloon", "suv"], p=[0.25, 0.5, 0.25] if look.is_game else None)
    length = {"hatch": 3.9, "saloon": 4.7, "suv": 4.6}[kind] * rng.uniform(0.95, 1.05)
    width, top = 1.76 * rng.uniform(0.97, 1.06), 1.72 if kind == "suv" else 1.44
    belt = 0.62 * top
    boot = {"hatch": 0.15, "saloon": 0.75, "suv": 0.05}[kind]
    half, glass = width / 2, _glass(look)
    body = Box((-half, 0.22, 0), (half, belt, length), paint, (0.03, 0.05, 0.2), _ends())
    cabin = Box(
        (-half + 0.06, belt, boot),
        (half - 0.06, top, length * 0.72),
        paint,
        (0.16, 0.45 if kind != "suv" else 0.15, 0.75),
        _cabin_glass(glass),
    )
    axles = (0.19 * length, 0.8 * length)
    return Vehicle(labels.CAR, [body, cabin], axles, 0.32, half, length)


def _ends() -> list[Panel]:
    """Lights, plates, bumpers and a grille."""
    return [
        Panel("back", (0.0, 0.0, 1.0, 0.22), DARK),
        Panel("back", (0.02, 0.55, 0.2, 0.85), TAIL),
        Panel("back", (0.8, 0.55, 0.98, 0.85), TAIL),
        Panel("back", (0.36, 0.4, 0.64, 0.58), PLATE),
        Panel("front", (0.0, 0.0, 1.0, 0.2), DARK),
        Panel("front", (0.3, 0.38, 0.7, 0.7), DARK),
        Panel("front", (0.04, 0.5, 0.25, 0.78), HEAD),
        Panel("front", (0.75, 0.5, 0.96, 0.78), HEAD),
        Panel("front", (0.36, 0.2, 0.64, 0.36), PLATE),
        Panel("left", (0.0, 0.0, 1.0, 0.12), DARK),
        Panel("right", (0.0, 0.0, 1.0, 0.12), DARK),
    ]


def _cabin_glass(glass: Colour) -> list[Panel]:
    halves = [(0.06, 0.12, 0.47, 0.88), (0.52, 0.12, 0.94, 0.88)]
    sides = [Panel(side, area, glass) for side in ("left", "right") for area in halves]
    ends = [Panel(end, (0.07, 0.1, 0.93, 0.9), glass) for end in ("back", "front")]
    return sides + ends


def _glass(look: Look) -> Colour:
    return (52.0, 66.0, 80.0) if look.is_game else (40.0, 44.0, 48.0)


def truck(rng: Rng, look: Look) -> Vehicle:
    """A lorry: a cab and a box body, or (every other one) a tarpaulin in colour."""
    cab_paint = pick(rng, look.palette.cars)
    load = pick(rng, colours("d6d4ce c4c6c8 46608c b0783c"))
    length, height, half = rng.uniform(6.5, 10.5), rng.uniform(2.9, 3.7), 1.2
    bed = Box((-half, 0.55, 0), (half, 0.95, length), DARK, panels=_truck_back())
    body = Box((-half, 0.95, 0), (half, height, length - 2.2), load, panels=_doors(load))
    cab = Box(
        (-half + 0.05, 0.5, length - 2.0),
        (half - 0.05, min(height, 2.75), length),
        cab_paint,
        (0.05, 0.0, 0.25),
        [
            Panel("front", (0.06, 0.5, 0.94, 0.9), _glass(look)),
            Panel("front", (0.05, 0.08, 0.2, 0.2), HEAD),
            Panel("front", (0.8, 0.08, 0.95, 0.2), HEAD),
            Panel("front", (0.25, 0.15, 0.75, 0.4), DARK),
            Panel("left", (0.3, 0.5, 0.85, 0.88), _glass(look)),
            Panel("right", (0.15, 0.5, 0.7, 0.88), _glass(look)),
        ],
    )
    return Vehicle(labels.TRUCK, [bed, cab, body], (1.3, length - 1.1), 0.46, half, length)


def _truck_back() -> list[Panel]:
    return [
        Panel("back", (0.02, 0.2, 0.16, 0.8), TAIL),
        Panel("back", (0.84, 0.2, 0.98, 0.8), TAIL),
        Panel("back", (0.38, 0.2, 0.62, 0.6), PLATE),
    ]


def _doors(load: Sequence[float]) -> list[Panel]:
    dark = (load[0] * 0.78, load[1] * 0.78, load[2] * 0.78)
    seams = [(0.49, 0.02, 0.51, 0.98), (0.0, 0.0, 1.0, 0.03), (0.0, 0.97, 1.0, 1.0)]
    ribs = [(u, 0.0, u + 0.012, 1.0) for u in (0.2, 0.4, 0.6, 0.8)]
    sides = [Panel(side, area, dark) for side in ("left", "right") for area in ribs]
    return sides + [Panel("back", area, dark) for area in seams]


def bus(rng: Rng, look: Look) -> Vehicle:
    """A city bus: large windows, doors, a destination display."""
    game, city = "d67828 466eaa deded8", "b0a83c 962828 3c608c d2d0c8"
    paint = pick(rng, colours(game if look.is_game else city))
    length, half, glass = rng.uniform(10, 12.5), 1.27, _glass(look)
    areas = [(u, 0.42, u + 0.13, 0.86) for u in np.arange(0.03, 0.9, 0.158)]
    panels = [Panel(side, area, glass) for side in ("left", "right") for area in areas]
    panels += [Panel("right", (u, 0.08, u + 0.1, 0.8), glass) for u in (0.25, 0.85)]
    panels += [
        Panel("back", (0.1, 0.5, 0.9, 0.86), glass),
        Panel("back", (0.3, 0.88, 0.7, 0.96), (232, 170, 60)),
        Panel("front", (0.05, 0.32, 0.95, 0.84), glass),
        Panel("front", (0.2, 0.87, 0.8, 0.96), (232, 170, 60)),
        *_bus_lights(),
    ]
    body = Box((-half, 0.32, 0), (half, 3.05, length), paint, (0.06, 0.05, 0.12), panels)
    return Vehicle(labels.BUS, [body], (2.6, length - 2.4), 0.48, half, length)


def _bus_lights() -> list[Panel]:
    lamps = []
    for face, colour in (("back", TAIL), ("front", HEAD)):
        lamps += [Panel(face, (0.03, 0.12, 0.13, 0.24), colour)]
        lamps += [Panel(face, (0.87, 0.12, 0.97, 0.24), colour)]
    return [*lamps, Panel("back", (0.2, 0.1, 0.8, 0.36), DARK)]


def tram(rng: Rng, look: Look) -> Vehicle:
    """A tram of two or three jointed cars; the label is Cityscapes' "train"."""
    paint = pick(rng, colours("ce2c28 ecce3c 3c785a e0ded6"))
    stripe = (232, 230, 222) if paint[0] < 220 else (150, 36, 38)
    part, half = rng.uniform(8, 10), 1.18
    count = int(rng.integers(2, 4))
    boxes = []
    for number in range(count):
        start = number * part
        low, high = (-half, 0.28, start), (half, 3.35, start + part - 0.35)
        panels = _tram_panels(_glass(look), stripe, first=number == 0, last=number == count - 1)
        taper = (0.08, 0.5 if number == 0 else 0.0, 0.5 if number == count - 1 else 0.0)
        boxes.append(Box(low, high, paint, taper, panels))
        if number:
            joint = ((-half + 0.15, 0.4, start - 0.4), (half - 0.15, 3.1, start))
            boxes.append(Box(*joint, DARK))
    return Vehicle(labels.TRAIN, boxes, (), 0.3, half, count * part, base=0)


def _tram_panels(glass: Colour, stripe: Colour, *, first: bool, last: bool) -> list[Panel]:
    panels = []
    for side in ("left", "right"):
        panels.append(Panel(side, (0.0, 0.28, 1.0, 0.38), stripe))
        panels += [Panel(side, (u, 0.45, u + 0.2, 0.85), glass) for u in (0.04, 0.28, 0.52, 0.76)]
        panels.append(Panel(side, (0.42, 0.04, 0.58, 0.85), DARK))
    for end, colour in [("back", TAIL)] * first + [("front", HEAD)] * last:
        panels.append(Panel(end, (0.08, 0.4, 0.92, 0.84), glass))
        panels.append(Panel(end, (0.3, 0.87, 0.7, 0.96), (240, 190, 70)))
        panels += [Panel(end, (u, 0.18, u + 0.12, 0.28), colour) for u in (0.06, 0.82)]
    return panels
