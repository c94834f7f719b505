"""Sky, far skyline, road, sidewalks, kerbs and road marks."""

from dataclasses import dataclass

import cv2
import numpy as np

from daseg.worlds.drawing import labels
from daseg.worlds.drawing.canvas import FAR, NEAR, Canvas
from daseg.worlds.drawing.looks import Colour, Rng, pick

STEPS = np.geomspace(NEAR, FAR, 16)
WHITE_PAINT = (214.0, 214.0, 210.0)
KERB = 0.14  # metres: how high the sidewalk lies above the road


@dataclass(frozen=True)
class Street:
    """The ground plan across the street, in metres from the road's centre line."""

    lanes: int  # in each direction
    lane: float  # width of a lane
    parking: float  # width of the parking strip on each side, 0 for none
    walk: float  # width of the sidewalk
    verge: float  # width of the grass between sidewalk and houses
    junction: tuple[float, float] | None  # nearest and farthest z of a side street
    tracks: bool  # tram tracks run in the inner lanes

    @property
    def half(self) -> float:
        """Half the carriageway, without parking."""
        return self.lanes * self.lane

    @property
    def kerb(self) -> float:
        """Where the sidewalk begins."""
        return self.half + self.parking

    @property
    def edge(self) -> float:
        """Where the sidewalk ends."""
        return self.kerb + self.walk

    def blocked(self, z: float, margin: float = 0.5) -> bool:
        """Whether the sidewalk is interrupted by the side street at ``z``."""
        if self.junction is None:
            return False
        return self.junction[0] - margin < z < self.junction[1] + margin


def draw_street(rng: Rng, *, game: bool, tracks: bool) -> Street:
    """Draw a ground plan: wide roads with lawns in the game, narrow ones in the city."""
    start = rng.uniform(14, 60)
    width = rng.uniform(9, 15) if game else rng.uniform(7, 10)
    parked = rng.random() < (0.35 if game else 0.5)
    return Street(
        lanes=int(rng.choice([1, 2], p=[0.4, 0.6] if game else [0.6, 0.4])),
        lane=float(rng.uniform(3.5, 3.9) if game else rng.uniform(3.1, 3.5)),
        parking=float(rng.uniform(2.1, 2.5)) if parked else 0.0,
        walk=float(rng.uniform(2.0, 3.4) if game else rng.uniform(2.6, 6.0)),
        verge=float(rng.uniform(0, 6) if game else rng.choice([0.0, rng.uniform(1, 5)])),
        junction=(start, start + width) if rng.random() < 0.6 else None,
        tracks=tracks,
    )


def paint_sky(canvas: Canvas) -> None:
    """A gradient from the horizon to the zenith."""
    rows = np.linspace(0, 1, max(2, int(canvas.camera.horizon)))[:, None]
    palette = canvas.look.palette
    ramp = np.array(palette.sky_top) * (1 - rows) + np.array(palette.sky_bottom) * rows
    down = len(rows) + abs(round(canvas.camera.roll * canvas.camera.width))
    sky = np.full((down, 1, 4), labels.SKY, np.uint8)
    sky[..., :3] = np.array(palette.sky_bottom).astype(np.uint8)
    sky[: len(rows), 0, :3] = np.clip(ramp, 0, 255).astype(np.uint8)
    canvas.data[:down] = sky[: len(canvas.data)]
    canvas.data[down:] = (*canvas.look.lit(palette.grass, 60), labels.TERRAIN)


def paint_skyline(canvas: Canvas, rng: Rng) -> None:
    """What closes the view: hills (game), rows of trees and far houses."""
    game = canvas.look.is_game
    if game and rng.random() < 0.6:
        _ridge(canvas, rng, 30, (126, 116, 84), labels.TERRAIN, rough=0.25)
    for x in np.arange(-150, 150, rng.uniform(9, 16)):
        tall = rng.uniform(4, 26 if game else 15)
        shape = np.array([[x, 0, FAR], [x + 14, 0, FAR], [x + 14, tall, FAR], [x, tall, FAR]])
        if rng.random() < 0.7:
            wall = pick(rng, canvas.look.palette.facades)
            canvas.fill(shape, wall, labels.BUILDING, gain=0.8)
    _ridge(canvas, rng, rng.uniform(3, 8), canvas.look.palette.leaves[0], labels.VEGETATION)


def _ridge(
    canvas: Canvas, rng: Rng, height: float, colour: Colour, label: int, rough: float = 0.5
) -> None:
    x = np.linspace(-170, 170, 60)
    wave = np.sin(x * rng.uniform(0.02, 0.05) + rng.uniform(0, 6))
    top = height * (0.75 + 0.25 * wave + rough * rng.uniform(-0.3, 0.3, 60))
    crest = np.column_stack([x, top, np.full(60, FAR)])
    base = np.array([[170, -3, FAR], [-170, -3, FAR]])
    canvas.fill(np.concatenate([crest, base]), colour, label)


def strip(left: float, right: float, y: float, start: float = NEAR, end: float = FAR) -> np.ndarray:
    """A ground strip along the street, following its bend: (V, 3)."""
    z = np.concatenate([[start], STEPS[(start < STEPS) & (end > STEPS)], [end]])
    one = np.column_stack([np.full(len(z), left), np.full(len(z), y), z])
    two = np.column_stack([np.full(len(z), right), np.full(len(z), y), z])
    return np.concatenate([one, two[::-1]])


def _floor(canvas: Canvas, shape: np.ndarray, colour: Colour, label: int) -> None:
    """Fill ground evenly: its haze is added later by distance, not by the strip's middle."""
    paint = (*canvas.look.lit(colour, 12), label)
    cv2.fillPoly(canvas.data, [canvas.camera.project(shape)], paint)


def paint_ground(canvas: Canvas, rng: Rng, street: Street) -> None:
    """Grass, sidewalks with kerbs, parking strips, the road and its marks."""
    palette = canvas.look.palette
    for side in (-1, 1):
        _floor(canvas, strip(side * street.edge, side * 260, KERB), palette.grass, labels.TERRAIN)
        walk = strip(side * street.kerb, side * street.edge, KERB)
        _floor(canvas, walk, palette.sidewalk, labels.SIDEWALK)
        rim = strip(side * street.kerb, side * (street.kerb + 0.18), KERB)
        _floor(canvas, rim, palette.kerb, labels.SIDEWALK)
        face = np.concatenate([strip(side * street.kerb, side * street.kerb, KERB)[:16]])
        drop = face[::-1] * [1, 0, 1]
        dark = np.array(palette.kerb) * (0.62 if side * canvas.look.sun > 0 else 0.8)
        _floor(canvas, np.concatenate([face, drop]), dark, labels.SIDEWALK)
    _floor(canvas, strip(-street.half, street.half, 0), palette.road, labels.ROAD)
    if street.parking:
        for side in (-1, 1):
            shape = strip(side * street.half, side * street.kerb, 0)
            colour = np.array(palette.road) * 0.5 + np.array(palette.sidewalk) * 0.4
            _floor(canvas, shape, colour, labels.PARKING)
    if street.junction:
        start, end = street.junction
        shape = np.array([[-80, 0, start], [80, 0, start], [80, 0, end], [-80, 0, end]])
        _floor(canvas, shape, palette.road, labels.ROAD)
    _paint_patches(canvas, rng, street)
    _paint_marks(canvas, rng, street)


def _paint_patches(canvas: Canvas, rng: Rng, street: Street) -> None:
    """Repaired asphalt and manhole covers."""
    road = np.array(canvas.look.palette.road)
    for _ in range(rng.integers(2, 7)):
        x, z = rng.uniform(-street.half, street.half - 1.5), rng.uniform(3, 40)
        right = min(x + rng.uniform(0.6, 2.5), street.half)
        shape = strip(x, right, 0, z, z + rng.uniform(1, 10))
        _floor(canvas, shape, road * rng.uniform(0.84, 1.1), labels.ROAD)
    turn = np.linspace(0, 2 * np.pi, 14)
    for _ in range(rng.integers(0, 4)):
        x, z = rng.uniform(-0.8, 0.8) * street.half, rng.uniform(4, 25)
        circle = np.column_stack([x + 0.35 * np.cos(turn), 0 * turn, z + 0.35 * np.sin(turn)])
        _floor(canvas, circle, road * 0.6, labels.ROAD)


def _paint_marks(canvas: Canvas, rng: Rng, street: Street) -> None:
    paint = np.array(WHITE_PAINT) * rng.uniform(0.8, 1.05)
    line = canvas.look.palette.centre_line
    if canvas.look.is_game:
        for x in (-0.22, 0.1):
            _mark(canvas, street, x, 0.12, line)
    else:
        _dashes(canvas, street, 0.0, line, rng)
    for number in range(1, street.lanes):
        for side in (-1, 1):
            _dashes(canvas, street, side * number * street.lane, paint, rng)
    if rng.random() < 0.5:
        for side in (-1, 1):
            _mark(canvas, street, side * (street.half - 0.25) - 0.06, 0.12, paint)
    if street.tracks:
        for middle in (-street.lane / 2, street.lane / 2):
            for rail in (-0.72, 0.72):
                _mark(canvas, street, middle + rail - 0.05, 0.1, (58, 56, 56), through=True)
    if street.junction and rng.random() < 0.75:
        start = street.junction[0] - 3.6
        for x in np.arange(-street.half + 0.3, street.half - 0.5, 1.1):  # a zebra crossing
            _floor(canvas, strip(x, x + 0.55, 0, start, start + 2.8), paint, labels.ROAD)


def paint_varied_marks(canvas: Canvas, rng: Rng, street: Street) -> None:
    """Double lines at the road's edges, and bars across it, in white and yellow."""
    yellow, white = np.array((206.0, 178.0, 92.0)), np.array((208.0, 208.0, 204.0))
    for side in (-1, 1):
        if rng.random() < 0.5:
            worn = rng.uniform(0.7, 1.0)
            for x in (0.25, 0.45):
                _mark(canvas, street, side * (street.half - x) - 0.05, 0.1, yellow * worn)
    for _ in range(rng.integers(0, 5)):
        x, z = rng.uniform(-0.8, 0.8) * street.half, rng.uniform(4, 30)
        along, across, wide = rng.uniform(0.5, 6), rng.uniform(-2, 2), rng.uniform(0.1, 0.5)
        near, far = [[x, 0, z], [x + wide, 0, z]], [x + across, 0, z + along]
        bar = np.array([*near, [far[0] + wide, 0, far[2]], far])
        bar[:, 0] = np.clip(bar[:, 0], -street.half, street.half)
        paint = white if rng.random() < 0.67 else yellow
        _floor(canvas, bar, paint * rng.uniform(0.7, 1.0), labels.ROAD)


def _mark(
    canvas: Canvas, street: Street, x: float, width: float, colour: Colour, *, through: bool = False
) -> None:
    spans = [(NEAR, FAR * 0.7)]
    if street.junction and not through:
        spans = [(NEAR, street.junction[0] - 4), (street.junction[1] + 1, FAR * 0.7)]
    for start, end in spans:
        _floor(canvas, strip(x, x + width, 0, start, end), colour, labels.ROAD)


def _dashes(canvas: Canvas, street: Street, x: float, colour: Colour, rng: Rng) -> None:
    for z in np.arange(NEAR + rng.uniform(0, 9), 90, 9):
        if not street.blocked(z, 4) and not street.blocked(z + 3, 4):
            _floor(canvas, strip(x - 0.07, x + 0.07, 0, z, z + 3), colour, labels.ROAD)
