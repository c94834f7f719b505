"""The picture of how time and memory of a step grow, from the record of the benchmark `scale`."""

from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

from daseg.visualization.figures import new_figure, save_figure

STEP = "a step against "
UNITS = {
    "size": "pixels of an image",
    "batch": "images of a batch",
    "classes": "classes",
}
Point = tuple[float, float, float]  # x, seconds, MiB


def curves(record: dict[str, Any]) -> dict[str, list[Point]]:
    """The points of each curve, by what the step is measured against; empty for other records."""
    found: dict[str, list[Point]] = defaultdict(list)
    for comparison in record["comparisons"]:
        what, _, x = comparison["name"].removeprefix(STEP).rpartition(", ")
        if what in UNITS:
            side = comparison["sides"][0]
            memory = side["memory_mib"].get("cuda", side["memory_mib"]["peak"])
            found[what].append((float(x), median(side["seconds"]), memory))
    return dict(found)


def plot_growth(record: dict[str, Any], path: Path) -> None:
    """Draw a column for each curve: seconds above, memory below."""
    found = curves(record)
    figure = new_figure(3.2 * len(found), 4.2)
    grid = figure.subplots(2, len(found), squeeze=False, sharex="col")
    for (above, below), (what, points) in zip(grid.T, found.items(), strict=True):
        x, seconds, memory = zip(*points, strict=True)
        for axes, values in ((above, seconds), (below, memory)):
            axes.plot(x, values, "o-", color="#1f6fb2")
            axes.set_ylim(0, 1.15 * max(values))
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
        below.set_xlabel(UNITS[what])
        below.locator_params(axis="x", nbins=4)
    grid[0, 0].set_ylabel("seconds of a step")
    grid[1, 0].set_ylabel("memory (MiB)")
    save_figure(figure, path)
