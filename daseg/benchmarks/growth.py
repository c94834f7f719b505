"""The picture of how time and memory of a step grow, from the record of the benchmark `scale`."""

from collections import defaultdict
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image

from daseg.visualization.figures import new_figure, save_figure

STEP = "a step against "
UNITS = {
    "size": "pixels of an image",
    "batch": "images of a batch",
    "classes": "classes",
}
COLOURS = "#1f6fb2", "#c1440e", "#3a8f4d"
Point = tuple[float, float, float]  # x, seconds, MiB


def curves(record: dict[str, Any]) -> dict[str, dict[str, list[Point]]]:
    """The points of each curve, by what the step is measured against and by the kind of network.

    A comparison is called "a step against batch, 4" or "a step against batch, ResNet-50, 4".
    Empty for other records.
    """
    found: dict[str, dict[str, list[Point]]] = defaultdict(lambda: defaultdict(list))
    for comparison in record["comparisons"]:
        what, *kind = comparison["name"].removeprefix(STEP).split(", ")
        if what in UNITS:
            x = kind.pop()
            side = comparison["sides"][0]
            memory = side["memory_mib"].get("cuda", side["memory_mib"]["peak"])
            point = float(x), median(side["seconds"]), memory
            found[what][", ".join(kind)].append(point)
    return {what: dict(kinds) for what, kinds in found.items()}


def plot_growth(record: dict[str, Any], path: Path) -> None:
    """Draw a column for each of what the step is measured against: seconds above, memory below."""
    found = curves(record)
    figure = new_figure(3.2 * len(found), 4.2)
    grid = figure.subplots(2, len(found), squeeze=False, sharex="col")
    for (above, below), (what, kinds) in zip(grid.T, found.items(), strict=True):
        for (kind, points), colour in zip(kinds.items(), cycle(COLOURS), strict=False):
            x, seconds, memory = zip(*points, strict=True)
            above.plot(x, seconds, "o-", color=colour)
            below.plot(x, memory, "o-", color=colour, label=kind or "as in the other plots")
        for axes in (above, below):
            axes.set_ylim(0, 1.15 * axes.dataLim.y1)
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
        if len(kinds) > 1:
            below.legend(loc="lower right", fontsize=7, frameon=False)
        below.set_xlabel(UNITS[what])
        below.locator_params(axis="x", nbins=4)
    grid[0, 0].set_ylabel("seconds of a step")
    grid[1, 0].set_ylabel("memory (MiB)")
    save_figure(figure, path)
    with Image.open(path) as picture:  # 32 colours are a quarter of the bytes
        few = picture.convert("RGB").quantize(32)
    few.save(path, optimize=True)
