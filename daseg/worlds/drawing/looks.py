"""How the two domains look: colours, light, haze, building style, lens.

A `Look` is drawn anew for every image around its domain's means, so that a domain has a spread and
not one appearance. "game" is a rendered Californian town: sun, hard shadows, saturated paint, a
clean wide-angle picture. "city" is a photographed Central European one: overcast, pale, a narrow
low camera with noise, blur, a colour cast and vignetting.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from daseg.utils.errors import ConfigError

Colour = Sequence[float] | np.ndarray  # red, green, blue, 0..255, before light and haze
DOMAINS = ("game", "city")


@dataclass(frozen=True)
class Palette:
    """Base colours of a domain's materials, RGB 0..255, before light and haze."""

    road: Colour
    sidewalk: Colour
    kerb: Colour
    grass: Colour
    sky_top: Colour
    sky_bottom: Colour
    haze: Colour
    facades: tuple[Colour, ...]
    roofs: tuple[Colour, ...]
    glass: Colour
    leaves: tuple[Colour, ...]
    cars: tuple[Colour, ...]
    clothes: tuple[Colour, ...]
    metal: Colour
    wall: Colour
    centre_line: Colour


PALETTES = {
    "game": Palette(
        road=(92, 90, 94),
        sidewalk=(176, 166, 152),
        kerb=(204, 194, 176),
        grass=(122, 138, 62),
        sky_top=(66, 124, 206),
        sky_bottom=(186, 210, 232),
        haze=(202, 206, 206),
        facades=(
            (214, 186, 148),
            (196, 132, 96),
            (224, 214, 192),
            (168, 98, 78),
            (132, 152, 170),
            (206, 168, 120),
            (184, 180, 172),
        ),
        roofs=((150, 92, 66), (120, 112, 104), (172, 120, 84)),
        glass=(84, 112, 140),
        leaves=((84, 122, 44), (102, 134, 52), (70, 104, 48), (128, 140, 60)),
        cars=(
            (196, 34, 30),
            (34, 70, 168),
            (236, 190, 34),
            (24, 24, 28),
            (232, 232, 230),
            (30, 122, 70),
            (214, 108, 30),
            (150, 156, 164),
        ),
        clothes=((200, 60, 50), (60, 90, 170), (230, 220, 200), (90, 150, 90), (40, 40, 46)),
        metal=(126, 126, 122),
        wall=(190, 166, 136),
        centre_line=(226, 178, 40),
    ),
    "city": Palette(
        road=(100, 102, 104),
        sidewalk=(136, 132, 130),
        kerb=(160, 158, 154),
        grass=(92, 112, 64),
        sky_top=(206, 214, 220),
        sky_bottom=(232, 236, 238),
        haze=(206, 212, 214),
        facades=(
            (170, 162, 146),
            (150, 144, 138),
            (176, 156, 122),
            (126, 100, 88),
            (186, 182, 174),
            (146, 152, 146),
            (160, 134, 116),
        ),
        roofs=((104, 70, 60), (82, 80, 84), (118, 84, 70)),
        glass=(66, 74, 82),
        leaves=((58, 80, 42), (70, 92, 48), (50, 68, 40), (82, 96, 56)),
        cars=(
            (34, 36, 40),
            (128, 132, 136),
            (176, 178, 180),
            (222, 222, 220),
            (46, 54, 80),
            (108, 36, 38),
            (72, 76, 82),
        ),
        clothes=((36, 38, 46), (58, 60, 70), (92, 84, 78), (120, 40, 44), (60, 72, 100)),
        metal=(96, 100, 100),
        wall=(132, 126, 116),
        centre_line=(206, 206, 202),
    ),
}


@dataclass(frozen=True)
class Look:
    """One image's appearance.

    Attributes:
        domain: "game" or "city".
        palette: base colours.
        sun: side the light comes from, -1 (left) to 1 (right).
        contrast: share of directed light, 0 (overcast) to 1 (hard sun).
        light: RGB gain of the light, about 1.
        haze_range: distance in metres at which the haze hides 63 % of a colour.
        noise: standard deviation of the sensor's noise, grey levels.
        blur: standard deviation of the lens's blur, pixels at 512 wide.
        vignette: darkening of the corners, 0..1.
        saturation: colourfulness gain; 1 leaves it.
        gamma: exponent of the tone curve.
        cloud: cloud cover, 0..1.
    """

    domain: str
    palette: Palette
    sun: float
    contrast: float
    light: tuple[float, float, float]
    haze_range: float
    noise: float
    blur: float
    vignette: float
    saturation: float
    gamma: float
    cloud: float

    @property
    def is_game(self) -> bool:
        return self.domain == "game"

    def shade(self, normal: Sequence[float] | np.ndarray) -> float:
        """Brightness of a face by its outward normal (3,): sky light plus sun."""
        x, y, z = (float(part) for part in normal)
        sun = max(0.75 * self.sun * x + 0.5 * y - 0.45 * z, 0)
        return (0.86 + 0.16 * y) * (1 - 0.35 * self.contrast) + 0.6 * self.contrast * sun

    def lit(self, colour: Colour, depth: float, gain: float = 1.0) -> tuple[int, int, int]:
        """The colour as it reaches the camera over ``depth`` metres of haze, 0..255."""
        seen = math.exp(-depth / self.haze_range)
        strength, veil, haze, light = gain * seen, 1 - seen, self.palette.haze, self.light
        red = int(float(colour[0]) * light[0] * strength + haze[0] * veil)
        green = int(float(colour[1]) * light[1] * strength + haze[1] * veil)
        blue = int(float(colour[2]) * light[2] * strength + haze[2] * veil)
        return min(255, max(0, red)), min(255, max(0, green)), min(255, max(0, blue))


def draw_look(domain: str, rng: np.random.Generator) -> Look:
    """Draw one image's look. Raises ConfigError for an unknown domain."""
    if domain == "game":
        return _game(rng)
    if domain == "city":
        return _city(rng)
    raise ConfigError(f"unknown demo domain {domain!r}: choose one of {', '.join(DOMAINS)}")


def _game(rng: np.random.Generator) -> Look:
    """Mostly sunny; every third picture overcast, so that the domain holds some grey days too."""
    warmth, brightness = rng.uniform(-0.02, 0.14), rng.uniform(0.86, 1.12)
    grey = rng.uniform(0.5, 0.9) if rng.random() < 0.33 else 0.0
    palette = PALETTES["game"]
    pale = np.array((196.0, 202.0, 210.0))
    top = np.array(palette.sky_top) * (1 - grey) + pale * grey
    return Look(
        domain="game",
        palette=replace(palette, sky_top=tuple(top.tolist())),
        sun=float(rng.choice([-1.0, 1.0]) * rng.uniform(0.4, 1)),
        contrast=float(rng.uniform(0.45, 1.0) * (1 - grey)),
        light=(brightness * (1 + warmth), brightness, brightness * (1 - warmth)),
        haze_range=float(rng.uniform(220, 500) * (1 - 0.6 * grey)),
        noise=float(rng.uniform(0.0, 1.5)),
        blur=float(rng.uniform(0.0, 0.5)),
        vignette=float(rng.uniform(0.0, 0.1)),
        saturation=float(rng.uniform(1.0, 1.3) * (1 - 0.35 * grey)),
        gamma=float(rng.uniform(0.85, 1.3)),
        cloud=float(rng.uniform(0.1, 0.7)),
    )


def _city(rng: np.random.Generator) -> Look:
    cold, brightness = rng.uniform(0.0, 0.1), rng.uniform(0.82, 1.12)
    return Look(
        domain="city",
        palette=PALETTES["city"],
        sun=float(rng.uniform(-1, 1)),
        contrast=float(rng.uniform(0.0, 0.45)),
        light=(brightness * (1 - cold), brightness * 1.02, brightness * (1 - 0.3 * cold)),
        haze_range=float(rng.uniform(90, 260)),
        noise=float(rng.uniform(1.0, 3.0)),
        blur=float(rng.uniform(0.5, 0.9)),
        vignette=float(rng.uniform(0.2, 0.45)),
        saturation=float(rng.uniform(0.85, 1.1)),
        gamma=float(rng.uniform(1.0, 1.25)),
        cloud=float(rng.uniform(0.6, 1.0)),
    )
