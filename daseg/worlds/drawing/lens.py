"""From the painted canvas to the picture: surface texture, haze on the ground, camera."""

from functools import lru_cache

import cv2
import numpy as np

from daseg.worlds.drawing import labels
from daseg.worlds.drawing.canvas import SUPERSAMPLING, Camera
from daseg.worlds.drawing.looks import Look, Rng, Variety
from daseg.worlds.drawing.variety import STAINS

TILE = 512

# Per label: strength of fine grain, of broad stains, of leaf mottle, of ground grain.
ROUGHNESS = {
    labels.BUILDING: (0.05, 0.10, 0.0, 0.0),
    labels.WALL: (0.09, 0.12, 0.0, 0.0),
    labels.FENCE: (0.08, 0.06, 0.0, 0.0),
    labels.VEGETATION: (0.07, 0.10, 0.14, 0.0),
    labels.TERRAIN: (0.05, 0.10, 0.07, 0.1),
    labels.ROAD: (0.02, 0.04, 0.0, 0.05),
    labels.PARKING: (0.02, 0.05, 0.0, 0.06),
    labels.SIDEWALK: (0.03, 0.05, 0.0, 0.07),
    labels.CAR: (0.02, 0.06, 0.0, 0.0),
    labels.PERSON: (0.07, 0.08, 0.0, 0.0),
    labels.RIDER: (0.07, 0.08, 0.0, 0.0),
}
FLOORS = (labels.ROAD, labels.SIDEWALK, labels.PARKING, labels.TERRAIN)


@lru_cache
def _tables() -> np.ndarray:
    """(4, 256) strengths by label id."""
    table = np.full((4, 256), 0.02, np.float32)
    for label, strengths in ROUGHNESS.items():
        table[:, label] = strengths
    table[2:, :] *= np.isin(np.arange(256), list(ROUGHNESS))
    table[:, [labels.SKY, labels.OUT_OF_ROI]] = 0
    return table


@lru_cache
def _noise(scale: float) -> np.ndarray:
    """A (TILE, TILE) field of zero mean and unit deviation, smooth over ``scale`` pixels."""
    rng = np.random.default_rng([7919, round(scale * 10)])
    field = rng.standard_normal((TILE, TILE)).astype(np.float32)
    if scale > 0:
        pad = 4 * int(scale + 1)  # blur it as a torus, so that it can be repeated
        field = cv2.GaussianBlur(np.pad(field, pad, mode="wrap"), (0, 0), scale)
        field = field[pad:-pad, pad:-pad]
    return (field - field.mean()) / field.std()


def _crop(scale: float, shape: tuple[int, int], rng: Rng) -> np.ndarray:
    """A random part of a noise field, (H, W), repeated where the picture is larger."""
    height, width = shape
    top, left = rng.integers(TILE, size=2)
    field = np.roll(_noise(scale), (-int(top), -int(left)), (0, 1))
    if height <= TILE and width <= TILE:
        return field[:height, :width]
    times = (-(-height // TILE), -(-width // TILE))
    return np.tile(field, times)[:height, :width]


def develop(
    data: np.ndarray, camera: Camera, look: Look, rng: Rng
) -> tuple[np.ndarray, np.ndarray]:
    """The canvas (sH, sW, 4) as a picture.

    Returns:
        image (H, W, 3) uint8 RGB and label ids (H, W) uint8.
    """
    step = SUPERSAMPLING
    size = (data.shape[1] // step, data.shape[0] // step)
    label = np.ascontiguousarray(data[step // 2 :: step, step // 2 :: step, 3])
    image = cv2.resize(data, size, interpolation=cv2.INTER_AREA)[..., :3].astype(np.float32)
    sky = label == labels.SKY
    if look.is_varied:
        sky |= _sky_behind(image, label, look)
    _add_texture(image, label, sky, camera, look, rng)
    _add_clouds(image, sky, look, rng)
    return _photograph(image, look, rng), label


def _sky_behind(image: np.ndarray, label: np.ndarray, look: Look) -> np.ndarray:
    """Where sky shows through a crown or a railing (H, W), which bear the label."""
    seen_through = (label == labels.VEGETATION) | (label == labels.FENCE)
    sky = np.minimum(look.palette.sky_top, look.palette.sky_bottom)
    return seen_through & (image > 0.9 * sky - 4).all(axis=2)


def _add_texture(
    image: np.ndarray, label: np.ndarray, sky: np.ndarray, camera: Camera, look: Look, rng: Rng
) -> None:
    """Grain and stains by material, none in the sky; on the ground in perspective, with haze."""
    shape, scale = label.shape, label.shape[1] / 512
    strong = 0.7 if look.is_game else 1.0
    table = _tables() * strong
    gain = (
        1
        + table[0][label] * _crop(0.6, shape, rng)
        + table[1][label] * _crop(14 * scale, shape, rng)
    )
    leaf = 2.4 if look.is_game else 1.3
    gain += table[2][label] * _crop(leaf * scale, shape, rng)
    if look.variety is not None:
        _add_stains(gain, label, look.variety, rng)
        gain[sky] = 1
    top = max(0, int(camera.horizon / SUPERSAMPLING) + 1)
    if top < shape[0]:
        floor, z = _ground_grain(shape, top, camera, rng)
        gain[top:] += table[3][label[top:]] * floor
        share = 1 - np.exp(-np.maximum(z - 12, 0) / look.haze_range)
        mask = np.isin(label[top:], FLOORS) * share.astype(np.float32)
        image[top:] += (np.array(look.palette.haze, np.float32) - image[top:]) * mask[..., None]
    image *= gain[..., None]


def _add_stains(gain: np.ndarray, label: np.ndarray, variety: Variety, rng: Rng) -> None:
    """Let the brightness (H, W) of each material vary at all sizes; nothing becomes black."""
    across, up = variety.stretch
    shape, scale = label.shape, label.shape[1] / 512
    building = label == labels.BUILDING
    for size, table in zip(STAINS, variety.roughness, strict=True):
        noise = _crop(size * scale, shape, rng)
        if max(across, up) > 1:
            height, width = max(1, int(shape[0] / up)), max(1, int(shape[1] / across))
            wide = cv2.resize(np.ascontiguousarray(noise[:height, :width]), shape[::-1])
            noise = np.where(building, wide, noise)
        gain += table[label] * noise
    np.maximum(gain, 0.1, out=gain)


def _ground_grain(
    shape: tuple[int, int], top: int, camera: Camera, rng: Rng
) -> tuple[np.ndarray, np.ndarray]:
    """Noise laid on the ground plane, (H - top, W), and the distance of each row (H - top, 1)."""
    rows = (np.arange(top, shape[0]) + 0.5) * SUPERSAMPLING
    columns = (np.arange(shape[1]) + 0.5) * SUPERSAMPLING
    z = (camera.focal * camera.y / np.maximum(rows - camera.horizon, 1))[:, None]
    x = (columns - camera.centre) * z / camera.focal
    shift = rng.integers(TILE, size=2)
    across = (x * 14 + shift[0]).astype(np.int32) % TILE
    along = np.broadcast_to((z * 7 + shift[1]).astype(np.int32) % TILE, across.shape)
    return _noise(0.9)[along, across] * np.minimum(1, 9 / z).astype(np.float32), z


def _add_clouds(image: np.ndarray, sky: np.ndarray, look: Look, rng: Rng) -> None:
    shape, scale = sky.shape, sky.shape[1] / 512
    wide = cv2.resize(_crop(9 * scale, shape, rng), shape[::-1], fx=0, fy=0)
    puff = 0.7 * wide + 0.3 * _crop(3 * scale, shape, rng)
    cover = np.clip((puff + 2.2 * look.cloud - 1.3) * 0.7, 0, 1) * sky
    shade = 240 if look.is_game else 222
    image += (shade - image) * (cover * (0.85 if look.is_game else 0.5))[..., None]


def _photograph(image: np.ndarray, look: Look, rng: Rng) -> np.ndarray:
    """Saturation, tone curve, dusk, vignette, blur and noise."""
    shape = image.shape[:2]
    grey = image.mean(axis=2, keepdims=True)
    image = grey + (image - grey) * look.saturation
    curve = 255 * (np.arange(256) / 255) ** look.gamma
    if not look.is_game:  # a photograph through a windscreen has no full black
        curve = 14 + 0.92 * curve
    tones = np.rint(curve).astype(np.uint8)
    image = cv2.LUT(np.clip(image, 0, 255).astype(np.uint8), tones).astype(np.float32)
    if look.dusk is not None:
        linear = (image / 255) ** 2.2 * look.dusk.exposure * np.array(look.dusk.tint, np.float32)
        image = 255 * (linear + look.dusk.stray) ** (1 / 2.2)
    y = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, shape[1], dtype=np.float32)[None]
    vignette = 1 - look.vignette * np.clip(0.5 * (x * x + y * y), 0, 1) ** 1.5
    image *= vignette[..., None]
    if look.blur > 0.05:
        image = cv2.GaussianBlur(image, (0, 0), look.blur * shape[1] / 512)
    if look.noise > 0:
        luma = _crop(0.5, shape, rng)
        for channel in range(3):
            image[..., channel] += look.noise * (0.8 * luma + 0.6 * _crop(0.8, shape, rng))
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
