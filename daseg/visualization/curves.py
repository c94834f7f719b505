"""Curves over training, read from the logs that mmengine writes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from daseg.utils.errors import DataError
from daseg.utils.files import read_bytes
from daseg.utils.json_files import check_shape, parse_json, unreadable
from daseg.visualization.figures import check_picture, new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Points = list[tuple[int, float]]  # (iteration, value)
COMMON = {"step", "iter", "epoch", "time", "data_time", "memory"}  # in lines of every kind


@dataclass
class Curve:
    """The log of one run.

    Args:
        name: What the legend calls it.
        loss: Training loss.
        miou: mIoU on validation, in percent.
    """

    name: str
    loss: Points = field(default_factory=list)
    miou: Points = field(default_factory=list)


def read_curve(run: str | Path, *, loss_key: str = "loss_seg") -> Curve:
    """Read a run's curve.

    Args:
        run: A work directory, or one ``scalars.json``.
        loss_key: Which logged loss to take.

    Raises:
        DataError: There is no log, a line of it is not JSON, or no loss of this name is logged.
    """
    run, records = Path(run), read_records(run)
    loss = [(int(r["step"]), _number(r, loss_key, run)) for r in records if loss_key in r]
    if not loss:
        keys = sorted({key for record in records for key in record})
        raise DataError(f"the log of {run} has no {loss_key!r}; it has: {', '.join(keys)}")
    return Curve(
        run.stem if run.is_file() else run.name,
        loss=loss,
        miou=[(int(r["step"]), _number(r, "mIoU", run)) for r in records if "mIoU" in r],
    )


def read_records(run: str | Path) -> list[dict]:
    """Read all that a run has logged, each line a dict with its iteration as ``step``.

    Each start of a run, resumed or not, writes a log of its own. Where a later log begins before an
    earlier one ended, as after a crash, its values replace the earlier ones.

    Args:
        run: A work directory, or one ``scalars.json``.

    Raises:
        DataError: There is no log, or a line of it is not JSON.
    """
    run = Path(run)
    logs = [run] if run.is_file() else sorted(run.glob("*/vis_data/scalars.json"))
    if not logs:
        raise DataError(f"{run} holds no training log (<time>/vis_data/scalars.json)")
    records: list[dict] = []
    for log in logs:
        later = _read_log(log)
        start = min((record["step"] for record in later), default=math.inf)
        # A resumed run may validate again at the iteration of its checkpoint, which it does not
        # train again: of that iteration, only values that are logged again are replaced.
        again = {key for line in later if line["step"] == start for key in line} - COMMON
        kept = [
            record
            for record in records
            if record["step"] < start or (record["step"] == start and not again & set(record))
        ]
        records = kept + later
    return records


def plot_curves(
    runs: Sequence[str | Path],
    out_png: str | Path,
    *,
    names: Sequence[str] | None = None,
    loss_key: str = "loss_seg",
    smooth: float = 0.05,
) -> list[Curve]:
    """Draw the loss and the validation mIoU of one or several runs over the iterations.

    Args:
        runs: Work directories or ``scalars.json`` files.
        out_png: The picture file.
        names: For the legend, one for each run; the folders' or files' names if None.
        loss_key: Which logged loss to draw.
        smooth: Width of the moving average over the loss, as a share of the run's logged points;
            the raw loss is drawn faintly behind it.

    Returns:
        What was drawn.

    Raises:
        DataError: A run has no log, a line of it is not JSON, or it logs no loss of this name.
    """
    check_picture(out_png)
    curves = [read_curve(run, loss_key=loss_key) for run in runs]
    if names is not None:
        for curve, name in zip(curves, names, strict=True):
            curve.name = name
    figure = new_figure(11, 4)
    loss_axes, miou_axes = figure.subplots(1, 2)
    for number, curve in enumerate(curves):
        _draw_loss(loss_axes, curve, f"C{number}", smooth)
        _draw_miou(miou_axes, curve, f"C{number}")
    dress(loss_axes, "training loss (moving average)", loss_key)
    dress(miou_axes, "validation", "mIoU (%)")
    save_figure(figure, out_png)
    return curves


def moving_average(values: Sequence[float], width: int) -> np.ndarray:
    """Mean over the ``width`` values around each one, over fewer at the ends; same length.

    Args:
        values: The values in order.
        width: How many to average; an even number counts as the next odd one.
    """
    reach = max(width, 1) // 2
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(values, dtype=np.float64))])
    place = np.arange(len(values))
    low, high = np.maximum(place - reach, 0), np.minimum(place + reach + 1, len(values))
    return (sums[high] - sums[low]) / (high - low)


def _read_log(path: Path) -> list[dict]:
    """The lines of a log that name an iteration."""
    try:
        lines = read_bytes(path).splitlines()
    except OSError as error:
        raise unreadable(path, "a training log", error) from error
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            record = parse_json(line, nan=True)
        except ValueError as error:
            if number == len(lines):  # the run was killed while it wrote
                break
            raise DataError(f"{path}, line {number} is not JSON: {error}") from error
        try:
            check_shape(record, {"step?": int})
        except ValueError as error:
            raise DataError(f"{path}, line {number} is not of a training log: {error}") from error
        records.append(record)
    return [record for record in records if "step" in record]


def _number(record: Mapping[str, Any], key: str, run: Path) -> float:
    value = record[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise DataError(f"the log of {run} has {key} {value!r} at {record['step']}, no number")
    return float(value)


def _draw_loss(axes: "Axes", curve: Curve, colour: str, smooth: float) -> None:
    steps, values = zip(*curve.loss, strict=True)
    width = max(1, round(smooth * len(values)))
    axes.plot(steps, values, color=colour, alpha=0.2, linewidth=0.8)
    axes.plot(steps, moving_average(values, width), color=colour, linewidth=1.8, label=curve.name)


def _draw_miou(axes: "Axes", curve: Curve, colour: str) -> None:
    if not curve.miou:
        return
    steps, values = zip(*curve.miou, strict=True)
    label = f"{curve.name}: last {values[-1]:.2f}, best {np.nanmax(values):.2f}"
    axes.plot(steps, values, color=colour, marker="o", markersize=3.5, linewidth=1.8, label=label)


def dress(axes: "Axes", title: str, y_label: str, *, legend: bool = True) -> None:
    """Set the title, axis labels, grid and legend of a plot over the iterations."""
    axes.set_title(title)
    axes.set_xlabel("iteration")
    axes.set_ylabel(y_label)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if not axes.get_legend_handles_labels()[0]:
        axes.text(0.5, 0.5, "nothing logged", ha="center", va="center", transform=axes.transAxes)
    elif legend:
        axes.legend(frameon=False)
