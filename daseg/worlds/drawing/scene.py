"""What stands where: one street scene from a seed."""

import numpy as np

from daseg.utils.errors import ConfigError
from daseg.worlds.drawing import labels
from daseg.worlds.drawing.canvas import SUPERSAMPLING, Camera, Canvas
from daseg.worlds.drawing.furniture import paint_bonnet
from daseg.worlds.drawing.ground import (
    Street,
    draw_street,
    paint_ground,
    paint_sky,
    paint_skyline,
    paint_varied_marks,
)
from daseg.worlds.drawing.layout import Scene, furnish
from daseg.worlds.drawing.lens import develop
from daseg.worlds.drawing.looks import DOMAINS, GAMES, LIGHTS, Look, Rng, at_dusk, draw_look
from daseg.worlds.drawing.variety import (
    draw_varied_camera,
    draw_varied_look,
    draw_varied_street,
)

SPLITS = ("train", "val", "test")
# Rare things take turns, so that even a small world holds every class.
FEATURES = (
    "- bus rider wall - truck motorcycle fence train - motor_rider bicycle".split()  # "-": nothing
)


def draw_scene(
    domain: str,
    seed: int = 0,
    *,
    split: str = "train",
    index: int = 0,
    size: tuple[int, int] = (512, 256),
    light: str = "day",
    game: str = "plain",
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one street scene; the same arguments give the same pixels.

    Args:
        domain: "game" (the source) or "city" (the target).
        seed: the world's seed.
        split: "train", "val" or "test".
        index: number of the picture within its split, from 0.
        size: width and height of the picture, pixels.
        light: "day" or "dusk", in which the city is photographed; the game is always in daylight.
            The scene is the same in both.
        game: "plain", or "varied": with a wide range of lights, materials and houses, as a source
            for photographs. The city is the same with both.

    Returns:
        image (H, W, 3) uint8 RGB and label ids (H, W) uint8 in Cityscapes' numbering, 0..33.

    Raises:
        ConfigError: domain, split, light or game is unknown, or the size is below 64x32.
    """
    _check(domain, split, size, light, game)
    rng = np.random.default_rng([seed, DOMAINS.index(domain), SPLITS.index(split), index])
    varied = domain == "game" and game == "varied"
    look = draw_varied_look(rng) if varied else draw_look(domain, rng)
    if light == "dusk" and domain == "city":  # drawn apart: the scene stays as by day
        place = [seed, len(DOMAINS), SPLITS.index(split), index]
        look = at_dusk(look, np.random.default_rng(place))
    feature = FEATURES[index % len(FEATURES)]
    tracks = feature == "train" or (not look.is_game and rng.random() < 0.12)
    street = draw_street(rng, game=look.is_game, tracks=tracks)
    if varied:
        street = draw_varied_street(street, rng)
    scene = Scene(street, look, feature)
    camera = draw_camera(rng, look, scene.street, size)
    if varied:
        camera = draw_varied_camera(camera, rng)
    furnish(scene, rng)
    canvas = Canvas(camera, look)
    _paint(canvas, scene, rng)
    return develop(canvas.data, camera, look, rng)


def _check(domain: str, split: str, size: tuple[int, int], light: str, game: str) -> None:
    if domain not in DOMAINS:
        raise ConfigError(f"unknown demo domain {domain!r}: choose one of {', '.join(DOMAINS)}")
    if split not in SPLITS:
        raise ConfigError(f"unknown demo split {split!r}: choose one of {', '.join(SPLITS)}")
    if light not in LIGHTS:
        raise ConfigError(f"unknown light {light!r}: choose one of {', '.join(LIGHTS)}")
    if game not in GAMES:
        raise ConfigError(f"unknown game {game!r}: choose one of {', '.join(GAMES)}")
    if size[0] < 64 or size[1] < 32:
        raise ConfigError(f"demo pictures of {size[0]}x{size[1]} are too small: 64x32 at least")


def draw_camera(rng: Rng, look: Look, street: Street, size: tuple[int, int]) -> Camera:
    """Draw the camera: high and wide in the game, low and narrow behind the city's windscreen."""
    width, height = size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING
    lane = street.lane * (rng.integers(street.lanes) + 0.5)
    wide = rng.uniform(0.72, 0.95) if look.is_game else rng.uniform(0.98, 1.12)
    row = rng.uniform(0.42, 0.54) if look.is_game else rng.uniform(0.38, 0.45)
    return Camera(
        width=width,
        height=height,
        focal=wide * width,
        centre=width * (0.5 + float(rng.normal(0, 0.05))),
        horizon=height * row,
        x=lane + float(rng.normal(0, 0.25)),
        y=float(rng.uniform(1.5, 2.7) if look.is_game else rng.uniform(1.15, 1.4)),
        bend=float(rng.normal(0, 0.00035)),
        roll=float(rng.normal(0, 0.004)),
    )


def _paint(canvas: Canvas, scene: Scene, rng: Rng) -> None:
    """Far to near: sky, ground, shadows, what lines the street, what stands on it."""
    paint_sky(canvas)
    paint_skyline(canvas, rng)
    paint_ground(canvas, rng, scene.street)
    if scene.look.is_varied:
        paint_varied_marks(canvas, rng, scene.street)
    contrast = scene.look.contrast
    if contrast > 0.35:
        canvas.shadow(scene.shadows, 0.62 * contrast, 0.3)
    canvas.shadow(scene.contacts, 0.6, 2.0)
    for things in (scene.rows, scene.items):
        for _, paint in sorted(things, key=lambda thing: -thing[0]):
            paint(canvas, rng)
    if not scene.look.is_game and not scene.look.is_varied:  # the bonnet marks the city's camera
        paint_bonnet(canvas, rng)
        rim = SUPERSAMPLING
        for edge in (canvas.data[:rim], canvas.data[:, :rim], canvas.data[:, -rim:]):
            edge[..., 3] = labels.OUT_OF_ROI
