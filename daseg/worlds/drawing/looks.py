"""How the two domains look: colours, light, haze, building style, lens.

A `Look` is drawn anew for every image around its domain's means, so that a domain has a spread and
not one appearance. "game" is a rendered Californian town: sun, hard shadows, saturated paint, a
clean wide-angle picture. "city" is a photographed Central European one: overcast, pale, a narrow
low camera with noise, blur, a colour cast and vignetting. At dusk an eighth to a third of the
city's light is left, and what the sensor adds is seen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

Colour = Sequence[float] | np.ndarray  # red, green, blue, 0..255, before light and haze
Colours = tuple[Colour, ...]
Rng = np.random.Generator
T = TypeVar("T")
DOMAINS = ("game", "city")
LIGHTS = ("day", "dusk")
GAMES = ("plain", "varied")


@dataclass(frozen=True)
class Palette:
    """Base colours of a domain's materials, before light and haze."""

    road: Colour
    sidewalk: Colour
    kerb: Colour
    grass: Colour
    sky_top: Colour
    sky_bottom: Colour
    haze: Colour
    glass: Colour
    metal: Colour
    wall: Colour
    centre_line: Colour
    facades: Colours
    roofs: Colours
    leaves: Colours
    cars: Colours
    clothes: Colours


def colours(text: str) -> Colours:
    """Colours that are written in hexadecimal: "5c5a5e b0a698"."""
    return tuple(tuple(bytes.fromhex(word)) for word in text.split())


def _palette(*texts: str) -> Palette:
    """Colours in the order of the fields, a text for each that has several."""
    one = colours(" ".join(texts[:3]))
    values: list[Any] = [*one, *map(colours, texts[3:])]
    return Palette(*values)


PALETTES = {
    "game": _palette(
        "5c5a5e b0a698 ccc2b0 7a8a3e",
        "427cce bad2e8 cacece",
        "54708c 7e7e7a bea688 e2b228",
        "d6ba94 c48460 e0d6c0 a8624e 8498aa cea878 b8b4ac",
        "965c42 787068 ac7854",
        "547a2c 668634 466830 808c3c",
        "c4221e 2246a8 ecbe22 18181c e8e8e6 1e7a46 d66c1e 969ca4",
        "c83c32 3c5aaa e6dcc8 5a965a 28282e",
    ),
    "city": _palette(
        "646668 888482 a09e9a 5c7040",
        "ced6dc e8ecee ced4d6",
        "424a52 606464 847e74 cececa",
        "aaa292 96908a b09c7a 7e6458 bab6ae 929892 a08674",
        "68463c 525054 765446",
        "3a502a 465c30 324428 526038",
        "222428 808488 b0b2b4 dededc 2e3650 6c2426 484c52",
        "24262e 3a3c46 5c544e 78282c 3c4864",
    ),
}
# Properties in the order in which they are drawn, with the ranges of the game and of the city.
RANGES = dict(
    contrast=((0.45, 1.0), (0.0, 0.45)),
    haze_range=((220, 500), (90, 260)),
    noise=((0.0, 1.5), (1.0, 3.0)),
    blur=((0.0, 0.5), (0.5, 0.9)),
    vignette=((0.0, 0.1), (0.2, 0.45)),
    saturation=((1.0, 1.3), (0.85, 1.1)),
    gamma=((0.85, 1.3), (1.0, 1.25)),
    cloud=((0.1, 0.7), (0.6, 1.0)),
)
PALE_SKY = np.array((196.0, 202.0, 210.0))


@dataclass(frozen=True)
class Dusk:
    """What is left of the daylight."""

    exposure: float  # share of the daylight, in linear intensity, 0..1
    tint: tuple[float, float, float]  # RGB gain, about 1: the sky is blue, the sun is gone
    stray: float  # light that falls on the sensor everywhere, in linear intensity, 0..1


@dataclass(frozen=True)
class Variety:
    """What differs from picture to picture of the varied game, beside the look."""

    harsh: float  # exponent of the faces' brightness: the higher, the darker those in the shade
    bare: float  # share of the trees that have no leaves, 0..1
    roughness: np.ndarray  # (4, 256): deviation of the brightness by size of the stains and label
    stretch: tuple[float, float]  # of the stains on buildings, across and up: bricks or columns


@dataclass(frozen=True)
class Look:
    """One image's appearance."""

    domain: str
    palette: Palette
    sun: float  # side the light comes from, -1 (left) to 1 (right)
    light: tuple[float, float, float]  # RGB gain of the light, about 1
    contrast: float  # share of directed light, 0 (overcast) to 1 (hard sun)
    haze_range: float  # distance in metres at which the haze hides 63 % of a colour
    noise: float  # standard deviation of the sensor's noise, grey levels
    blur: float  # standard deviation of the lens's blur, pixels at 512 wide
    vignette: float  # darkening of the corners, 0..1
    saturation: float  # gain of the colourfulness; 1 leaves it
    gamma: float  # exponent of the tone curve
    cloud: float  # cloud cover, 0..1
    dusk: Dusk | None = None  # None: by day
    variety: Variety | None = None  # of the varied game

    @property
    def is_game(self) -> bool:
        return self.domain == "game"

    @property
    def is_varied(self) -> bool:
        return self.variety is not None

    def shade(self, normal: Sequence[float] | np.ndarray) -> float:
        """Brightness of a face by its outward normal (3,): sky light plus sun."""
        x, y, z = (float(part) for part in normal)
        sun = max(0.75 * self.sun * x + 0.5 * y - 0.45 * z, 0)
        bright = (0.86 + 0.16 * y) * (1 - 0.35 * self.contrast) + 0.6 * self.contrast * sun
        return bright if self.variety is None else bright**self.variety.harsh

    def lit(self, colour: Colour, depth: float, gain: float = 1.0) -> tuple[int, int, int]:
        """The colour as it reaches the camera over ``depth`` metres of haze, 0..255."""
        seen = math.exp(-depth / self.haze_range)
        strength, veil, haze, light = gain * seen, 1 - seen, self.palette.haze, self.light
        red = int(float(colour[0]) * light[0] * strength + haze[0] * veil)
        green = int(float(colour[1]) * light[1] * strength + haze[1] * veil)
        blue = int(float(colour[2]) * light[2] * strength + haze[2] * veil)
        return min(255, max(0, red)), min(255, max(0, green)), min(255, max(0, blue))


def pick(rng: Rng, things: Sequence[T]) -> T:
    """One of them."""
    return things[int(rng.integers(len(things)))]


def draw_look(domain: str, rng: Rng) -> Look:
    """Draw one image's look; every third picture of the sunny game is overcast."""
    game, grey = domain == "game", 0.0
    tint = rng.uniform(-0.02, 0.14) if game else rng.uniform(0.0, 0.1)  # warm; cold in the city
    bright = rng.uniform(0.86, 1.12) if game else rng.uniform(0.82, 1.12)
    gains: tuple[float, float, float]
    if game:
        grey = rng.uniform(0.5, 0.9) if rng.random() < 0.33 else 0.0
        sun = rng.choice([-1.0, 1.0]) * rng.uniform(0.4, 1)
        gains = (1 + tint, 1, 1 - tint)
    else:
        sun, gains = rng.uniform(-1, 1), (1 - tint, 1.02, 1 - 0.3 * tint)
    which = DOMAINS.index(domain)
    drawn: dict[str, Any] = {
        name: float(rng.uniform(*limits[which])) for name, limits in RANGES.items()
    }
    for name, loss in (("contrast", 1.0), ("haze_range", 0.6), ("saturation", 0.35)):
        drawn[name] *= 1 - loss * grey
    palette = PALETTES[domain]
    sky = tuple((np.array(palette.sky_top) * (1 - grey) + PALE_SKY * grey).tolist())
    red, green, blue = (bright * gain for gain in gains)
    palette = replace(palette, sky_top=sky)
    return Look(domain, palette, float(sun), (red, green, blue), **drawn)


def at_dusk(look: Look, rng: Rng) -> Look:
    """Draw the dusk in which the same place is photographed: dark, blue, noisy, less sharp."""
    blue = rng.uniform(0.3, 1.2)
    dusk = Dusk(
        exposure=float(rng.uniform(0.12, 0.3)),
        tint=(0.8**blue, 1.0, 1.3**blue),
        stray=float(rng.uniform(0.002, 0.012)),
    )
    noise, blur = float(rng.uniform(2, 5)), float(rng.uniform(0.7, 1.2))
    return replace(look, dusk=dusk, noise=noise, blur=blur)
