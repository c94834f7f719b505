"""Measure on a texture where a transform moves the parts of an image.

The texture is a sum of waves in many directions, which differs from every shifted, turned or
mirrored copy of itself. Its colours may change. So the result is compared with the stretched
texture at each position, up to any change of grey levels; where they differ, the difference is
explained by a displacement (one step of Lucas and Kanade, "An Iterative Image Registration
Technique", IJCAI 1981).
"""

from functools import lru_cache

import cv2
import numpy as np
from PIL import Image

Size = tuple[int, int]  # height, width

_WAVES = 12
_SHORTEST = 8.0  # pixels of a wave at least, in the larger and in the smaller image
_SAMPLES = 256  # rows and columns that are compared
_BLOCKS = 4  # a side; each is judged by itself
_LEVELS = 24  # grey levels of the comparison
_LIKE = 0.35  # share of a block's variance that is the texture's where it did not move
_MASKED = 0.25  # share of the image that may be covered by flat colour
# Pixels that rounding, blurring and noise may seem to move a block. A resizing that lays corners on
# corners, or takes the nearest pixel, adds half of the difference between the two sizes of a pixel.
_TOLERANCE = 0.4

_OPENCV = (
    cv2.INTER_LINEAR,
    cv2.INTER_NEAREST,
    cv2.INTER_NEAREST_EXACT,
    cv2.INTER_AREA,
    cv2.INTER_CUBIC,
    cv2.INTER_LANCZOS4,
)
_PIL = tuple(Image.Resampling)

_CELL = 8  # pixels of a thumbnail's cell at least, in both images
_CELLS = 32  # of a thumbnail's side at most
_UNLIKE = 40.0  # grey levels by which a cell may differ


class Texture:
    """A grey picture that is a function of the position, and so is defined at every size.

    Args:
        size: (height, width) of the picture.
        other: (height, width) of the expected result; the waves are long enough for both.
    """

    def __init__(self, size: Size, other: Size | None = None) -> None:
        self.size = size
        other = other or size
        draw = np.random.default_rng(0)
        angle = draw.uniform(0, 2 * np.pi, _WAVES)
        reach = draw.uniform(0.4, 1, _WAVES)
        most = [max(min(pair) / _SHORTEST, 0.5) for pair in zip(size, other, strict=True)]
        self._down, self._right = most[0] * reach * np.sin(angle), most[1] * reach * np.cos(angle)
        self._phase = draw.uniform(0, 2 * np.pi, _WAVES)
        self.wave = 1 / max(most[0] / size[0], most[1] / size[1])  # pixels of the shortest

    def picture(self) -> np.ndarray:
        """(H, W) float32, from 0 to 255."""
        sin_y, cos_y, sin_x, cos_x = self._turns(
            *((np.arange(side) + 0.5) / side for side in self.size)
        )
        wave = cos_y @ cos_x
        wave -= sin_y @ sin_x  # in place: a photograph may have tens of millions of pixels
        grey = np.clip(127.5 + wave * 127.5 / np.sqrt(2 * _WAVES), 0, 255)
        return grey.astype(np.float32)

    def at(self, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, ...]:
        """Sum of waves, and its derivatives down and to the right, each (rows, columns).

        Args:
            rows: Places 0..1 of the height.
            columns: Places 0..1 of the width.
        """
        sin_y, cos_y, sin_x, cos_x = self._turns(rows, columns)
        slopes = (
            -2 * np.pi * ((sin_y * along) @ cos_x + (cos_y * along) @ sin_x)
            for along in (self._down, self._right)
        )
        return (cos_y @ cos_x - sin_y @ sin_x, *slopes)

    def _turns(self, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, ...]:
        y = 2 * np.pi * rows[:, None] * self._down + self._phase
        x = 2 * np.pi * columns[:, None] * self._right
        return np.sin(y), np.cos(y), np.sin(x).T, np.cos(x).T


@lru_cache(maxsize=4)
def texture(size: Size, other: Size) -> tuple[Texture, np.ndarray]:
    """The texture for an image of one size that becomes another, and its read-only picture."""
    made = Texture(size, other)
    picture = made.picture()
    picture.flags.writeable = False
    return made, picture


def is_stretched(made: Texture, given: np.ndarray, seen: np.ndarray) -> bool:
    """Whether a picture is the whole texture, stretched to its size; colours may have changed.

    Args:
        made: The texture.
        given: Its picture, as it was given to a transform: (H, W) or (H, W, C).
        seen: The result, (h, w) or (h, w, C), numbers of any range.
    """
    if _is_window(given, seen):
        return False
    if _is_resized(given, seen):
        return True
    channels = np.moveaxis(seen.reshape(*seen.shape[:2], -1), 2, 0)
    different = [
        channel
        for place, channel in enumerate(channels)
        if not any(np.array_equal(channel, other) for other in channels[:place])
    ]
    return all(_fits(made, channel) for channel in different)


def looks_alike(first: np.ndarray, other: np.ndarray) -> bool:
    """Whether two pictures, of any size, agree at low resolution; True if too small to tell.

    They agree if they differ in no cell of a coarse grid by more than the nearest pixel, taken
    instead of a mean, differs at an edge.
    """
    if first.shape == other.shape and np.array_equal(first, other):
        return True
    sizes = zip(first.shape[:2], other.shape[:2], strict=True)
    rows, columns = (min(min(pair) // _CELL, _CELLS) for pair in sizes)
    if min(rows, columns) < 1 or first.shape[2:] != other.shape[2:]:
        return True
    one, two = (
        cv2.resize(
            each if each.dtype == np.uint8 else each.astype(np.float32),  # types OpenCV resizes
            (columns, rows),
            interpolation=cv2.INTER_AREA,
        ).astype(np.float32)
        for each in (first, other)
    )
    return bool(abs(one - two).max() <= _UNLIKE)


def _is_resized(given: np.ndarray, seen: np.ndarray) -> bool:
    """Whether a picture is exactly the other one as OpenCV or PIL resizes it as a whole.

    This saves the comparison of positions, which costs more, and decides cases that it cannot:
    images of a few pixels, and nearest-neighbour resizing, which is off by up to a pixel.
    """
    if given.shape[2:] != seen.shape[2:] or given.dtype != seen.dtype:
        return False
    if given.shape == seen.shape:
        return np.array_equal(given, seen)
    size = seen.shape[1], seen.shape[0]
    if given.dtype in (np.uint8, np.float32):
        for way in _OPENCV:
            resized = cv2.resize(given, size, interpolation=way)
            if np.array_equal(resized.reshape(seen.shape), seen):
                return True
    if given.dtype == np.uint8 and given.shape[2:] == (3,):
        picture = Image.fromarray(given)
        return any(np.array_equal(np.asarray(picture.resize(size, way)), seen) for way in _PIL)
    return False


def _is_window(given: np.ndarray, seen: np.ndarray) -> bool:
    """Whether one picture is the other without up to three rows or columns at its edges."""
    more = [a - b for a, b in zip(given.shape[:2], seen.shape[:2], strict=True)]
    if max(more) > 3 or min(more) < -3 or max(more) > 0 > min(more) or not any(more):
        return False
    large, small = (given, seen) if max(more) > 0 else (seen, given)
    if large.shape[2:] != small.shape[2:]:
        return False
    height, width = small.shape[:2]
    places = np.ndindex(abs(more[0]) + 1, abs(more[1]) + 1)
    return any(np.array_equal(large[y : y + height, x : x + width], small) for y, x in places)


def _fits(made: Texture, seen: np.ndarray) -> bool:
    size = seen.shape[0], seen.shape[1]
    # Up to `_SAMPLES` rows and columns, spread evenly, the first and the last among them.
    rows, columns = (
        np.unique(np.linspace(0, side - 1, min(side, _SAMPLES)).round().astype(int))
        for side in size
    )
    value = seen[np.ix_(rows, columns)].astype(np.float64)
    spread = float(value.max() - value.min())
    if not np.isfinite(spread) or spread < 1e-6:
        return True  # nothing is to be seen: that is not a matter of places
    places = ((rows + 0.5) / size[0], (columns + 0.5) / size[1])
    wave, *slopes = made.at(*places)
    expected, gain = _levels(wave, value)
    rest = value - expected
    # In pixels of the picture that came out.
    down, right = (gain * slope / side for slope, side in zip(slopes, size, strict=True))
    covered = _flat(seen, rows, columns, made, size, spread) & (abs(rest) > 0.1 * spread)
    if covered.mean() > _MASKED:
        return False
    allowed = [_TOLERANCE + abs(1 - n / m) / 2 for n, m in zip(size, made.size, strict=True)]
    # Besides a move, a block may be lighter, or of less contrast, than the rest.
    ways = (value, rest, down, right, expected, np.ones_like(value))
    tall, wide = (min(max(side // 16, 1), _BLOCKS) for side in value.shape)
    blocks = [
        [part for row in np.array_split(each, tall) for part in np.array_split(row, wide, 1)]
        for each in (~covered, *ways)
    ]
    return all(
        _block_fits(*(each[used] for each in block), allowed=allowed, least=0.02 * spread)
        for used, *block in zip(*blocks, strict=True)
        if used.mean() >= 0.25
    )


def _block_fits(
    value: np.ndarray, rest: np.ndarray, *ways: np.ndarray, allowed: list[float], least: float
) -> bool:
    if value.std() < least:
        return True
    explained = np.stack(ways, 1)
    found, *_ = np.linalg.lstsq(explained, rest, rcond=1e-6)
    like = 1 - np.square(rest - explained @ found).mean() / value.var()
    return bool(like >= _LIKE and (abs(found[:2]) <= allowed).all())


def _levels(wave: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The change of grey levels that explains a picture best: its result and its slope."""
    levels = min(max(wave.size // 50, 4), _LEVELS)
    edges = np.quantile(wave, np.linspace(0, 1, levels + 1)[1:-1])
    level = np.searchsorted(edges, wave.ravel())
    counts = np.bincount(level, minlength=levels)
    centre, mean = (
        np.bincount(level, each.ravel(), levels) / np.maximum(counts, 1) for each in (wave, value)
    )
    known = counts > 0
    centre, mean = centre[known], mean[known]
    if len(centre) < 2:
        return np.full_like(value, value.mean()), np.zeros_like(value)
    slope = np.gradient(mean, centre)
    return np.interp(wave, centre, mean), np.interp(wave, centre, slope)


def _flat(
    seen: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    made: Texture,
    size: Size,
    spread: float,
) -> np.ndarray:
    """Where a picture has one colour for a quarter of a wave, as where something covers it."""
    flat = np.ones((len(rows), len(columns)), bool)
    here = seen[np.ix_(rows, columns)].astype(np.float64)
    for axis in (0, 1):
        step = max(1, round(made.wave * size[axis] / made.size[axis] / 4))
        places = [rows, columns]
        places[axis] = np.where(
            places[axis] + step < size[axis],
            places[axis] + step,
            np.maximum(places[axis] - step, 0),
        )
        flat &= abs(seen[np.ix_(*places)].astype(np.float64) - here) < 1e-3 * spread
    return flat
