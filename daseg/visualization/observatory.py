"""Curves of an adaptation, from its log: losses, accuracies, entropies, predicted classes."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from daseg.ops.colours import default_palette
from daseg.utils.errors import DataError
from daseg.utils.json_files import read_json, unreadable
from daseg.visualization.curves import Points, dress, moving_average, read_records
from daseg.visualization.figures import check_picture, new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Of the training's own predictions; where it makes none, of those at each validation.
SHARES = ("predicted_share/", "labelfree_share/")
VISIBLE = 1e-3  # a class that never has a larger share is not named in the legend


def plot_observatory(run: str | Path, out_png: str | Path, *, smooth: float = 0.05) -> None:
    """Draw a run's losses, discriminators' accuracies, entropies and predicted classes.

    Args:
        run: A work directory, or one ``scalars.json``.
        out_png: The picture file.
        smooth: Width of the moving average over the values, as a share of the run's logged points;
            the raw values are drawn faintly behind it.

    Raises:
        DataError: There is no log, or nothing of this in it.
    """
    check_picture(out_png, "--observatory")
    curves = _curves(run)
    losses = {name: points for name, points in curves.items() if name.startswith("loss")}
    accuracies = {name: points for name, points in curves.items() if name.startswith("disc_acc")}
    of_all, of_class = "labelfree_", SHARES[1]
    scores = {
        name: points
        for name, points in curves.items()
        if (name.endswith("_entropy") and name not in losses)
        or (name.startswith(of_all) and not name.startswith(of_class))
    }
    by_kind = [
        {n.removeprefix(kind): points for n, points in curves.items() if n.startswith(kind)}
        for kind in SHARES
    ]
    shares = by_kind[0] or by_kind[1]
    if not (losses or accuracies or scores or shares):
        raise DataError(f"the log of {run} has neither losses nor what ObservatoryHook logs")
    figure = new_figure(15, 9)
    grid = figure.subplots(2, 2)
    _draw(grid[0, 0], losses, smooth)
    dress(grid[0, 0], "losses (moving average)", "weighted, as minimised")
    _scale(grid[0, 0], losses)
    _draw(grid[0, 1], accuracies, smooth)
    dress(grid[0, 1], "discriminators: accuracy on each domain", "0.5: no better than a coin")
    grid[0, 1].set_ylim(-0.02, 1.02)
    grid[0, 1].axhline(0.5, color="0.6", linestyle=":", zorder=0)
    _draw(grid[1, 0], scores, smooth)
    dress(grid[1, 0], "predictions without labels", "entropy: 0 certain, 1 uniform")
    _stack(grid[1, 1], shares, _colours(run, list(shares)))
    save_figure(figure, out_png)


def _curves(run: str | Path) -> dict[str, Points]:
    """Every logged number by its name, in the order in which the names come up."""
    found: dict[str, Points] = {}
    for record in read_records(run):
        for name, value in record.items():
            if isinstance(value, (int, float)):
                found.setdefault(name, []).append((int(record["step"]), float(value)))
    return found


def _draw(axes: "Axes", group: Mapping[str, Points], smooth: float) -> None:
    for number, (name, points) in enumerate(group.items()):
        steps, values = zip(*points, strict=True)
        width = max(1, round(smooth * len(values)))
        colour = f"C{number}"
        axes.plot(steps, values, color=colour, alpha=0.2, linewidth=0.8)
        axes.plot(steps, moving_average(values, width), color=colour, linewidth=1.8, label=name)


def _scale(axes: "Axes", losses: Mapping[str, Points]) -> None:
    """Scale the axis by logarithm: losses differ by powers of ten; a hinge loss may be < 0."""
    values = [value for points in losses.values() for _, value in points]
    if values and min(values) > 0:
        axes.set_yscale("log")
    elif values:
        axes.set_yscale("symlog", linthresh=1e-3)
    axes.autoscale(axis="y")


def _stack(axes: "Axes", shares: Mapping[str, Points], colours: Sequence[Sequence[int]]) -> None:
    """Stack the shares, each class in its colour."""
    table = [dict(points) for points in shares.values()]
    steps = sorted(set().union(*table)) if table else []
    rows = [[100 * own.get(step, 0.0) for step in steps] for own in table]
    if steps:
        names = [
            name if max(row) > 100 * VISIBLE else f"_{name}"  # matplotlib leaves out "_..."
            for name, row in zip(shares, rows, strict=True)
        ]
        paint = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in colours]
        axes.stackplot(steps, rows, labels=names, colors=paint, edgecolor="white", linewidth=0.2)
        axes.margins(0)
    dress(axes, "classes predicted on the target", "share of the pixels (%)")
    if steps:
        axes.set_ylim(0, 100)
        axes.legend(
            loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8, reverse=True
        )


def _colours(run: str | Path, names: Sequence[str]) -> list[list[int]]:
    """The classes' colours from the run's ``classes.json``; the default palette without it."""
    run = Path(run)
    file = (run.resolve().parents[2] if run.is_file() else run) / "classes.json"
    made_up = default_palette(len(names))
    if not os.path.lexists(file):
        return made_up
    what = "classes and their colours"
    colour = tuple[int, int, int]
    content = read_json(file, what, {"classes": list[str], "palette": list[colour]})
    known = {
        name: list(paint)
        for name, paint in zip(content["classes"], content["palette"], strict=False)
    }
    if len(content["classes"]) != len(content["palette"]) or any(
        not 0 <= part <= 255 for paint in known.values() for part in paint
    ):
        raise unreadable(file, what, ValueError("not a colour, three numbers 0..255, for each"))
    return [known.get(name, other) for name, other in zip(names, made_up, strict=True)]
