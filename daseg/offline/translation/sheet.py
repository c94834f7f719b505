"""A contact sheet of a translated data set: source, translation, and what it should look like."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from daseg.datasets import SegDataset
from daseg.datasets.io import read_rgb
from daseg.offline.parallel_set import ParallelSet
from daseg.offline.translation.data import target_of
from daseg.visualization import contact_sheet, save_sheet

ROWS = 6


def write_contact_sheet(
    translated: ParallelSet, indices: Sequence[int], target: SegDataset | None, seed: int
) -> Path | None:
    """Draw images spread over the data set, each with its translation and a target image.

    Args:
        translated: The translated data set.
        indices: The images that it has.
        target: What it should look like; the image beside source image i is drawn by (seed, i),
            as for translators that need one. None: there is no such column.
        seed: Seed of that choice.

    Returns:
        The picture's path; None where there is no image.
    """
    if not indices:
        return None
    spread = np.linspace(0, len(indices) - 1, min(ROWS, len(indices))).round().astype(int)
    chosen = [indices[i] for i in spread]
    samples = translated.source.samples
    columns = {
        "source": [read_rgb(samples[i].image, translated.source.max_value) for i in chosen],
        "translated": [read_rgb(translated.image_path(i)) for i in chosen],
    }
    if target is not None:
        looks = [target.samples[target_of(i, len(target), seed)].image for i in chosen]
        columns["a target image"] = [read_rgb(path, target.max_value) for path in looks]
    path = translated.aside("contact_sheet.png")
    rows = list(zip(*columns.values(), strict=True))
    names = [[Path(samples[i].name).name] for i in chosen]
    save_sheet(contact_sheet(rows, headings=list(columns), captions=names), path)
    return path
