"""The course of an adaptation, drawn from its log."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from daseg.evaluation.curves import Points, dress, find_logs, moving_average, read_records
from daseg.evaluation.pictures import new_figure, save_figure
from daseg.utils.colors import default_palette
from daseg.utils.errors import DataError

SHARE = "predicted_share/"
VISIBLE = 1e-3  # a class with a smaller share at all times is not named in the legend


def plot_observatory(run: str | Path, out_png: str | Path, *, smooth: float = 0.05) -> None:
    """Draw every loss, the discriminators' accuracies, entropies and predicted classes of a run.

    Args:
        run: A work directory, or one ``scalars.json``.
        out_png: The picture file.
        smooth: Width of the moving average over losses and accuracies, as a share of the run's
            logged points; the raw values stay behind it, faint.

    Raises:
        DataError: There is no log, or nothing of this in it.
    """
    curves = _curves(run)
    groups = {
        "losses": _chosen(curves, lambda name: name.startswith("loss")),
        "accuracy of the discriminators": _chosen(curves, lambda name: "disc_acc" in name),
        "mean entropy of the predictions": _chosen(curves, lambda name: name.endswith("_entropy")),
    }
    shares = {n.removeprefix(SHARE): points for n, points in curves.items() if n.startswith(SHARE)}
    if not any(groups.values()) and not shares:
        raise DataError(f"the log of {run} has neither losses nor what ObservatoryHook logs")
    figure = new_figure(15, 9)
    grid = figure.subplots(2, 2)
    for axes, (title, group) in zip(grid.flat, groups.items(), strict=False):
        _draw(axes, group, smooth)
        dress(axes, title, "", bottom=None)
    _scale(grid[0, 0], groups["losses"])
    grid[0, 1].set_ylim(-0.02, 1.02)
    grid[0, 1].axhline(0.5, color="0.6", linestyle=":", zorder=0)
    grid[1, 0].set_ylim(bottom=0)
    _stack(grid[1, 1], shares, _colours(run, list(shares)))
    save_figure(figure, out_png)


def _curves(run: str | Path) -> dict[str, Points]:
    """Every logged value by its name, in the order of the first lines that have it."""
    found: dict[str, Points] = {}
    for record in read_records(run):
        for name, value in record.items():
            if isinstance(value, (int, float)):
                found.setdefault(name, []).append((int(record["step"]), float(value)))
    return found


def _chosen(curves: Mapping[str, Points], wanted: Callable[[str], bool]) -> dict[str, Points]:
    return {name: points for name, points in curves.items() if wanted(name)}


def _draw(axes: Axes, group: Mapping[str, Points], smooth: float) -> None:
    for number, (name, points) in enumerate(group.items()):
        steps, values = zip(*points, strict=True)
        width = max(1, round(smooth * len(values)))
        axes.plot(steps, values, color=f"C{number}", alpha=0.2, linewidth=0.8)
        axes.plot(steps, moving_average(values, width), color=f"C{number}", label=name)


def _scale(axes: Axes, losses: Mapping[str, Points]) -> None:
    """Losses differ by powers of ten; those of a hinge generator are negative too."""
    values = [value for points in losses.values() for _, value in points]
    if values:
        axes.set_yscale(*(("log",) if min(values) > 0 else ("symlog",)))


def _stack(
    axes: Axes, shares: Mapping[str, Points], colours: Mapping[str, Sequence[int]]
) -> None:
    steps = sorted({step for points in shares.values() for step, _ in points})
    for name in shares:
        assert len(shares[name]) == len(steps)
    dress(axes, "classes predicted on the target", "share of the pixels (%)", bottom=0)
