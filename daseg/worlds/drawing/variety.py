"""The varied game: as unlike from picture to picture as photographs are.

The plain game has one town, one weather and smooth walls: what a network learns of it holds for
little else. Here light, weather, materials, architecture and camera are drawn from wide ranges
("domain randomization"; Tobin et al., IROS 2017), so that photographs may be one
case among them.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from daseg.worlds.drawing import labels
from daseg.worlds.drawing.canvas import Camera
from daseg.worlds.drawing.ground import Street
from daseg.worlds.drawing.looks import (
    DOMAINS,
    PALETTES,
    Colour,
    Look,
    Palette,
    Rng,
    Variety,
    colours,
    draw_look,
    pick,
)

RANGES = dict(
    contrast=(0.0, 1.0),
    haze_range=(150, 600),
    noise=(0.0, 4.0),
    blur=(0.0, 1.0),
    vignette=(0.0, 0.4),
    saturation=(0.5, 1.3),
    gamma=(0.8, 1.5),
    cloud=(0.0, 1.0),
)
FACADES = colours("e8e4da d8d2c2 8a5a44 70483a b89a6c a8925c 5a5650 3e3c3a c8c0ae 94887a")
PANELS = colours("4a5a78 2c3e66 c4c8cc 7e2a2a 3a6a5a 8a8e92")  # metal, paint, hoardings
LEAVES = colours("3a3e26 5a5a38 2c3820 6a5c3c 4a4234 38402c")
CARS = colours("c8cacc 9a9ea2 3a3c40 1a1b1e 5a6068 24304a")
STAINS = (1.2, 4.0, 12.0, 40.0)  # sizes in pixels of a picture 512 wide
OLD_STONE = 2.5  # so many times as rough are the houses of every fourth picture
#: The largest deviation of each material's brightness for each size of the stains.
ROUGHNESS = {
    labels.BUILDING: (0.08, 0.1, 0.11, 0.15),
    labels.WALL: (0.08, 0.1, 0.1, 0.125),
    labels.FENCE: (0.08, 0.1, 0.1, 0.1),
    labels.VEGETATION: (0.15, 0.175, 0.15, 0.15),
    labels.TERRAIN: (0.1, 0.075, 0.075, 0.1),
    labels.ROAD: (0.04, 0.03, 0.04, 0.125),
    labels.PARKING: (0.04, 0.03, 0.04, 0.125),
    labels.SIDEWALK: (0.05, 0.04, 0.05, 0.125),
    labels.CAR: (0.03, 0.05, 0.08, 0.1),
    labels.TRUCK: (0.03, 0.05, 0.06, 0.1),
    labels.BUS: (0.03, 0.05, 0.06, 0.1),
    labels.TRAIN: (0.03, 0.05, 0.06, 0.1),
    labels.PERSON: (0.05, 0.075, 0.075, 0.075),
    labels.RIDER: (0.05, 0.075, 0.075, 0.075),
}


def draw_varied_look(rng: Rng) -> Look:
    """Draw one picture's look: built and furnished as the game or as the city, in any light."""
    look = draw_look(pick(rng, DOMAINS), rng)
    drawn: dict[str, Any] = {name: float(rng.uniform(*limits)) for name, limits in RANGES.items()}
    white = float(rng.choice([0.0, rng.uniform(), 1.0], p=[0.2, 0.4, 0.4]))
    drawn["cloud"] *= 1 - white
    roughness = np.zeros((len(STAINS), 256), np.float32)
    for label, limits in ROUGHNESS.items():
        roughness[:, label] = np.array(limits) * rng.uniform(0.1, 1, len(STAINS))
    if rng.random() < 0.25:  # old stone, as uneven as leaves
        roughness[:, labels.BUILDING] *= OLD_STONE
    return replace(
        look,
        **drawn,
        palette=_draw_palette(look, white, rng),
        light=tuple((rng.uniform(0.5, 1.15) * rng.uniform(0.92, 1.08, 3)).tolist()),
        variety=Variety(
            harsh=float(rng.uniform(0.8, 3.0)),
            bare=float(rng.choice([0.0, 0.5, 1.0])),
            roughness=roughness,
            stretch=pick(rng, ((1.0, 1.0), (4.0, 1.0), (1.0, 4.0))),
        ),
    )


def _draw_palette(look: Look, white: float, rng: Rng) -> Palette:
    """Colours between those of the game and the city, and beyond; ``white`` is the sky's share."""
    game, city = PALETTES["game"], PALETTES["city"]
    share = rng.uniform()

    def between(name: str, spread: float = 12) -> Colour:
        one, other = np.array(getattr(game, name)), np.array(getattr(city, name))
        mixed = one * share + other * (1 - share) + rng.normal(0, spread, 3)
        return tuple(np.clip(mixed, 8, 250).tolist())

    grey = rng.uniform(45, 125)
    road = grey + rng.normal(0, 5, 3)
    walk = grey * rng.uniform(0.85, 1.4) + rng.normal(0, 6, 3)  # often as grey as the road
    full = np.array((255.0, 255.0, 255.0))
    return replace(
        look.palette,
        road=tuple(road.tolist()),
        sidewalk=tuple(walk.tolist()),
        kerb=tuple((walk * rng.uniform(0.8, 1.25)).tolist()),
        sky_top=tuple((np.array(between("sky_top")) * (1 - white) + full * white).tolist()),
        sky_bottom=tuple((np.array(between("sky_bottom")) * (1 - white) + full * white).tolist()),
        **{name: between(name) for name in ("grass", "haze", "glass", "metal", "wall")},
        facades=(*game.facades, *city.facades, *FACADES, *FACADES, *PANELS),
        roofs=(*game.roofs, *city.roofs),
        leaves=(*game.leaves, *city.leaves, *LEAVES),
        cars=(*game.cars, *city.cars, *CARS, *CARS),
        clothes=(*game.clothes, *city.clothes, *city.clothes),
    )


def draw_varied_street(street: Street, rng: Rng) -> Street:
    """The same street, more often a narrow one between houses that stand at the sidewalk."""
    return replace(
        street,
        lanes=int(rng.choice([1, 2], p=[0.7, 0.3])),
        lane=float(rng.uniform(2.9, 3.7)),
        walk=float(rng.uniform(1.2, 4.0)),
        verge=0.0 if rng.random() < 0.6 else street.verge,
    )


def draw_varied_camera(camera: Camera, rng: Rng) -> Camera:
    """The same place on the road, seen from another height and with another lens."""
    return replace(
        camera,
        focal=float(rng.uniform(0.75, 1.2)) * camera.width,
        horizon=float(rng.uniform(0.38, 0.58)) * camera.height,
        y=float(rng.uniform(1.1, 2.0)),
    )
