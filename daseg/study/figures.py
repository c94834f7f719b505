"""The pictures of a report."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from daseg.study.definition import Row, Study
from daseg.study.facts import class_names, has_log
from daseg.study.runs import Run
from daseg.utils.files import atomic_write, read_bytes
from daseg.utils.json_files import unreadable
from daseg.visualization.curves import dress, moving_average
from daseg.visualization.figures import new_figure, save_figure

MEASURED, LOGGED = "#1f5fbf", "#c2571a"
LOSS = "loss_seg"
LEGEND_COLUMNS = 3  # names of rows are long
SMOOTH = 0.05  # width of the moving average, as a share of the logged points
PANEL = 1000  # width of a picture panel in pixels
PANEL_BYTES = 1_000_000  # of all panels together


def draw_overview(study: Study, path: Path) -> bool:
    """Each row's mean and seeds, beside the study's own number; False where there is neither."""
    rows = [row for row in study.rows.values() if row.by_seed or row.logged_miou is not None]
    if not rows:
        return False
    figure = new_figure(9, 1.2 + 0.3 * len(rows))
    axes = figure.subplots()
    seed: dict[str, Any] = dict(color=MEASURED, alpha=0.55, markersize=5, label="a seed")
    mean: dict[str, Any] = dict(color=MEASURED, markersize=15, mew=2.5, label="mean")
    log: dict[str, Any] = dict(color=LOGGED, mfc="none", markersize=6, label="study's log")
    for place, row in enumerate(rows):
        # What has no number is drawn as nothing, but all stand in the legend.
        seeds = list(row.by_seed.values())
        means = [] if row.miou is None else [row.miou.mean]
        logged = [] if row.logged_miou is None else [row.logged_miou]
        for values, marker, style in ((seeds, "o", seed), (means, "|", mean), (logged, "D", log)):
            axes.plot(values, [place] * len(values), marker, **style)
    kinds = 3 if has_log(study) else 2
    handles, names = axes.get_legend_handles_labels()
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("mIoU (%)")
    axes.set_xlim(left=0)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    own = handles[:kinds], names[:kinds]
    figure.legend(*own, loc="outside lower center", ncols=3, frameon=False)
    save_figure(figure, path)
    return True


def draw_classes(study: Study, path: Path) -> bool:
    """A heat map of IoU by row and class; False where nothing is measured."""
    names = class_names(study)
    rows = [row for row in study.rows.values() if row.class_iou()]
    if not rows:
        return False
    ious = [row.class_iou() for row in rows]
    # None, for a class without an IoU, becomes NaN.
    table = np.array([[iou.get(name) for name in names] for iou in ious], dtype=float)
    figure = new_figure(4 + 0.47 * len(names), 2 + 0.32 * len(rows))
    axes = figure.subplots()
    image = axes.imshow(table, vmin=0, vmax=100, cmap="Blues", aspect="auto")
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.spines[:].set_visible(False)
    for (line, column), value in np.ndenumerate(table):
        colour = "white" if value > 55 else "0.1"
        text = "-" if math.isnan(value) else f"{value:.0f}"
        axes.text(column, line, text, ha="center", va="center", color=colour, fontsize=8)
    figure.colorbar(image, ax=axes, label="IoU (%)", aspect=30)
    save_figure(figure, path)
    return True


def draw_curves(rows: Sequence[Row], path: Path) -> bool:
    """Loss and validation mIoU of all runs of some rows; False where nothing is logged.

    A row has one colour. The legend is below, where it covers no line.
    """
    if not any(run.log for row in rows for run in row.runs):
        return False
    figure = new_figure(11, 4.2 + 0.2 * math.ceil(len(rows) / LEGEND_COLUMNS))
    loss_axes, miou_axes = figure.subplots(1, 2)
    for number, row in enumerate(rows):
        colour = f"C{number}" if len(rows) <= 10 else colormaps["tab20"](number % 20)
        _draw(loss_axes, row, LOSS, colour, smooth=SMOOTH)
        _draw(miou_axes, row, "mIoU", colour, marker="o", markersize=3)
    dress(loss_axes, "training loss (moving average)", LOSS, legend=False)
    dress(miou_axes, "validation", "mIoU (%)", legend=False)
    _legend_below(figure, (loss_axes, miou_axes))
    save_figure(figure, path)
    return True


def draw_sizes(study: Study, path: Path) -> bool:
    """The mIoU over the number of target images, beside the study's; False where there is none."""
    sizes = study.sizes
    if not any(sizes.values()):
        return False
    figure = new_figure(8, 4.6)
    axes = figure.subplots()
    counts = sorted({int(count) for pairs in sizes.values() for count, _ in pairs})
    for number, (kind, pairs) in enumerate(sizes.items()):
        _draw_size(axes, study, kind, sorted(pairs), f"C{number}")
    axes.set_xscale("log")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    dress(axes, "", "mIoU (%)")
    axes.set_xlabel("target images in training, by the study's number")
    save_figure(figure, path)
    return True


def save_panel(run: Run, path: Path, panels: int) -> int | None:
    """Scale the newest picture of a run's training down.

    Args:
        run: The run.
        path: Where it goes, a ``.jpg``.
        panels: How many there are in the report, which share `PANEL_BYTES`.

    Returns:
        Its iteration; None where there is none.
    """
    newest = newest_picture(run)
    if newest is None:
        return None
    iteration, source = newest
    try:
        with Image.open(io.BytesIO(read_bytes(source))) as image:
            picture = image.convert("RGB")
    except Exception as error:  # PIL has many ways to say that a file is broken
        raise unreadable(source, "a picture of the training", error, "delete it") from error
    width = min(PANEL, picture.width)
    height = max(1, round(picture.height * width / picture.width))
    with atomic_write(path) as temporary:
        for quality in (85, 70, 55, 40, 25):
            scaled = picture.resize((width, height), Image.Resampling.LANCZOS)
            scaled.save(temporary, quality=quality, optimize=True)
            if temporary.stat().st_size <= PANEL_BYTES / panels:
                break
            width, height = max(1, int(0.85 * width)), max(1, int(0.85 * height))
    return iteration


def newest_picture(run: Run) -> tuple[int, Path] | None:
    """The last ``pictures/iter_N.png`` of a training, and N."""
    files = [p for p in run.path.glob("pictures/iter_*.png") if p.stem[5:].isdigit()]
    return max(((int(file.stem[5:]), file) for file in files), default=None)


def curve(
    run: Run, key: str, smooth: float = 0, most: int | None = None
) -> tuple[list[int], list[float]]:
    """The iterations and values at which a run logged ``key``; both empty where it never did.

    Args:
        run: The run.
        key: Of the log, such as "mIoU".
        smooth: Width of the moving average, as a share of the points; 0: none.
        most: Give every second, third, ... point where there are more than these.
    """
    lines = [line for line in run.log if key in line]
    steps = [int(line["step"]) for line in lines]
    values = [float(line[key]) for line in lines]
    values = moving_average(values, max(1, round(smooth * len(values)))).tolist()
    every = 1 if most is None else max(1, math.ceil(len(steps) / most))
    return steps[::every], values[::every]


def _draw(axes: Axes, row: Row, key: str, colour: Any, smooth: float = 0, **style: Any) -> None:
    label: str | None = row.name
    for run in row.runs:
        steps, values = curve(run, key, smooth)
        if steps:
            axes.plot(steps, values, color=colour, linewidth=1.2, alpha=0.8, label=label, **style)
            label = None


def _legend_below(figure: Figure, plots: Sequence[Axes]) -> None:
    """One legend for all plots, each name once."""
    known: dict[str, Any] = {}
    for axes in plots:
        handles, labels = axes.get_legend_handles_labels()
        known |= dict(zip(labels, handles, strict=True))
    style: dict[str, Any] = dict(ncols=LEGEND_COLUMNS, frameon=False, fontsize=8)
    figure.legend(known.values(), known.keys(), loc="outside lower center", **style)


def _draw_size(
    axes: Axes, study: Study, kind: str, pairs: Sequence[tuple[int, str]], colour: str
) -> None:
    rows = [(int(count), study.rows[name]) for count, name in pairs]
    means = [(count, row.miou) for count, row in rows]
    found = [(count, m.mean, m.std or 0.0) for count, m in means if m is not None]
    if found:
        x, y, error = zip(*found, strict=True)
        axes.errorbar(x, y, error, color=colour, marker="o", capsize=3, label=f"{kind}, measured")
    told = [(count, row.logged_miou) for count, row in rows if row.logged_miou is not None]
    if told:
        x, y = zip(*told, strict=True)
        style: dict[str, Any] = dict(
            color=colour, linestyle="--", marker="D", mfc="none", alpha=0.7
        )
        axes.plot(x, y, label=f"{kind}, study's log", **style)
