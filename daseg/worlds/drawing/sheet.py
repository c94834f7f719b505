"""A contact sheet of the embedded world."""

from pathlib import Path

import numpy as np
from PIL import Image

from daseg.utils.errors import DataError
from daseg.worlds.drawing.files import Sample, write_image
from daseg.worlds.drawing.labels import COLOURS


def write_contact_sheet(root: Path, path: Path, *, rows: int = 6) -> None:
    """Write ``rows`` rows of source image, its label in colour, target image, its label."""
    strips = []
    for index in range(rows):
        pair = [Sample(domain, "train", index) for domain in ("game", "city")]
        if all(sample.is_drawn(root) for sample in pair):
            strips.append(np.hstack([tile for s in pair for tile in _tiles(s, root)]))
    if not strips:
        raise DataError(f"{root} holds no demo world: draw it with daseg make-demo")
    write_image(path, np.vstack(strips))


def _tiles(sample: Sample, root: Path) -> list[np.ndarray]:
    paths = sample.paths(root)
    with Image.open(paths[0]) as file:
        image = np.asarray(file)
    with Image.open(paths[1]) as file:
        label = np.asarray(file)
    return [image, np.array(COLOURS, np.uint8)[label]]
