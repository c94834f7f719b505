"""Cars, trucks, buses and trams, built from boxes."""

import math
from dataclasses import dataclass

import numpy as np

from daseg.worlds.drawing import labels
from daseg.worlds.drawing.canvas import Canvas
from daseg.worlds.drawing.looks import Colour, Look, Rng, colours, pick
from daseg.worlds.drawing.solids import Box, Panel, Place, paint_box

TYRE, RIM = (22.0, 22.0, 24.0), (132.0, 134.0, 138.0)
TAIL, HEAD, DARK = (176.0, 20.0, 22.0), (240.0, 238.0, 222.0), (30.0, 31.0, 34.0)
PLATE, DISPLAY = (226.0, 226.0, 218.0), (232.0, 170.0, 60.0)
Area = tuple[float, float, float, float]  # of a face: left, bottom, right, top, 0..1


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
        tyres = self._tyres() if near else []
        ahead = math.cos(place.heading)
        rest = sorted(self.boxes[self.base :], key=lambda box: -ahead * (box.low[2] + box.high[2]))
        for box in (*tyres, *self.boxes[: self.base], *rest):
            paint_box(canvas, place, box, self.label)
        if near:
            self._paint_wheels(canvas, place)

    def _tyres(self) -> list[Box]:
        """What is seen of the wheels below the body."""
        return [
            Box((x - 0.12, 0, z - self.radius), (x + 0.12, self.radius, z + self.radius), TYRE)
            for z in self.axles
            for x in (-self.half + 0.16, self.half - 0.16)
        ]

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
        [
            *_on("left right", glass, (0.06, 0.12, 0.47, 0.88), (0.52, 0.12, 0.94, 0.88)),
            *_on("back front", glass, (0.07, 0.1, 0.93, 0.9)),
        ],
    )
    axles = (0.19 * length, 0.8 * length)
    return Vehicle(labels.CAR, [body, cabin], axles, 0.32, half, length)


def _on(faces: str, colour: Colour, *areas: Area) -> list[Panel]:
    return [Panel(face, area, colour) for face in faces.split() for area in areas]


def _both(area: Area) -> tuple[Area, Area]:
    """An area and its mirror image."""
    left, bottom, right, top = area
    return area, (1 - right, bottom, 1 - left, top)


def _ends() -> list[Panel]:
    """Lights, plates, bumpers and a grille."""
    return [
        *_on("back", DARK, (0.0, 0.0, 1.0, 0.22)),
        *_on("back", TAIL, *_both((0.02, 0.55, 0.2, 0.85))),
        *_on("back", PLATE, (0.36, 0.4, 0.64, 0.58)),
        *_on("front", DARK, (0.0, 0.0, 1.0, 0.2), (0.3, 0.38, 0.7, 0.7)),
        *_on("front", HEAD, *_both((0.04, 0.5, 0.25, 0.78))),
        *_on("front", PLATE, (0.36, 0.2, 0.64, 0.36)),
        *_on("left right", DARK, (0.0, 0.0, 1.0, 0.12)),
    ]


def _glass(look: Look) -> Colour:
    return (52.0, 66.0, 80.0) if look.is_game else (40.0, 44.0, 48.0)


def truck(rng: Rng, look: Look) -> Vehicle:
    """A lorry: a cab and a box body, or (every other one) a tarpaulin in colour."""
    cab_paint = pick(rng, look.palette.cars)
    load = pick(rng, colours("d6d4ce c4c6c8 46608c b0783c"))
    length, height, half = rng.uniform(6.5, 10.5), rng.uniform(2.9, 3.7), 1.2
    lights = [*_on("back", TAIL, *_both((0.02, 0.2, 0.16, 0.8)))]
    lights += _on("back", PLATE, (0.38, 0.2, 0.62, 0.6))
    dark = (load[0] * 0.78, load[1] * 0.78, load[2] * 0.78)
    ribs: list[Area] = [(u, 0.0, u + 0.012, 1.0) for u in (0.2, 0.4, 0.6, 0.8)]
    doors = [(0.49, 0.02, 0.51, 0.98), (0.0, 0.0, 1.0, 0.03), (0.0, 0.97, 1.0, 1.0)]
    seams = _on("left right", dark, *ribs) + _on("back", dark, *doors)
    bed = Box((-half, 0.55, 0), (half, 0.95, length), DARK, panels=lights)
    body = Box((-half, 0.95, 0), (half, height, length - 2.2), load, panels=seams)
    cab = Box(
        (-half + 0.05, 0.5, length - 2.0),
        (half - 0.05, min(height, 2.75), length),
        cab_paint,
        (0.05, 0.0, 0.25),
        [
            *_on("front", _glass(look), (0.06, 0.5, 0.94, 0.9)),
            *_on("front", HEAD, *_both((0.05, 0.08, 0.2, 0.2))),
            *_on("front", DARK, (0.25, 0.15, 0.75, 0.4)),
            *_on("left", _glass(look), (0.3, 0.5, 0.85, 0.88)),
            *_on("right", _glass(look), (0.15, 0.5, 0.7, 0.88)),
        ],
    )
    return Vehicle(labels.TRUCK, [bed, cab, body], (1.3, length - 1.1), 0.46, half, length)


def bus(rng: Rng, look: Look) -> Vehicle:
    """A city bus: large windows, doors, a destination display."""
    game, city = "d67828 466eaa deded8", "b0a83c 962828 3c608c d2d0c8"
    paint = pick(rng, colours(game if look.is_game else city))
    length, half, glass = rng.uniform(10, 12.5), 1.27, _glass(look)
    windows: list[Area] = [(u, 0.42, u + 0.13, 0.86) for u in np.arange(0.03, 0.9, 0.158)]
    panels = [
        *_on("left right", glass, *windows),
        *_on("right", glass, (0.25, 0.08, 0.35, 0.8), (0.85, 0.08, 0.95, 0.8)),
        *_on("back", glass, (0.1, 0.5, 0.9, 0.86)),
        *_on("back", DISPLAY, (0.3, 0.88, 0.7, 0.96)),
        *_on("front", glass, (0.05, 0.32, 0.95, 0.84)),
        *_on("front", DISPLAY, (0.2, 0.87, 0.8, 0.96)),
        *_on("back", TAIL, *_both((0.03, 0.12, 0.13, 0.24))),
        *_on("front", HEAD, *_both((0.03, 0.12, 0.13, 0.24))),
        *_on("back", DARK, (0.2, 0.1, 0.8, 0.36)),
    ]
    body = Box((-half, 0.32, 0), (half, 3.05, length), paint, (0.06, 0.05, 0.12), panels)
    return Vehicle(labels.BUS, [body], (2.6, length - 2.4), 0.48, half, length)


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
    windows: list[Area] = [(u, 0.45, u + 0.2, 0.85) for u in (0.04, 0.28, 0.52, 0.76)]
    panels = _on("left right", stripe, (0.0, 0.28, 1.0, 0.38))
    panels += _on("left right", glass, *windows) + _on("left right", DARK, (0.42, 0.04, 0.58, 0.85))
    for end, colour in [("back", TAIL)] * first + [("front", HEAD)] * last:
        panels += _on(end, glass, (0.08, 0.4, 0.92, 0.84))
        panels += _on(end, (240, 190, 70), (0.3, 0.87, 0.7, 0.96))
        panels += _on(end, colour, *_both((0.06, 0.18, 0.18, 0.28)))
    return panels
