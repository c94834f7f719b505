"""Figures of matplotlib, drawn without a screen; it is imported when the first one is drawn."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from daseg.evaluation import IoUMetric
from daseg.utils.errors import ConfigError
from daseg.utils.files import atomic_write
from daseg.utils.writable import check_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 110


def new_figure(width: float, height: float) -> "Figure":
    """A figure of this size in inches that belongs to no window and no global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def check_picture(path: str | Path, option: str = "--out") -> None:
    """Check before the work that a picture can be written, of a format that there is.

    Raises:
        ConfigError: No picture format has this suffix.
        WriteError: No file can be written there.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    check_file(path, option)
    known = FigureCanvasAgg.get_supported_filetypes()
    if Path(path).suffix.lower().removeprefix(".") not in known:
        raise ConfigError(
            f"{option} {path}: a picture's name ends in .png, .jpg, .pdf or .svg, or another of "
            f"{', '.join(known)}"
        )


def save_figure(figure: "Figure", path: str | Path) -> None:
    """Write the figure as the format of the path's suffix says, whole or not at all."""
    with atomic_write(path) as temporary:
        figure.savefig(temporary)


def draw_matrices(metrics: Iterable[Any]) -> None:
    """Draw ``confusion_matrix.png`` in the folder of each `IoUMetric` that has one."""
    for metric in metrics:
        result = metric.last_result if isinstance(metric, IoUMetric) and metric.out_dir else None
        if result is not None:  # the first process adds up what all have counted
            path = Path(metric.out_dir) / "confusion_matrix.png"
            plot_confusion(result.matrix, result.classes, path)


def plot_confusion(matrix: np.ndarray, classes: Sequence[str], path: str | Path) -> None:
    """Draw a confusion matrix whose rows sum to 100 %.

    Args:
        matrix: (K,K) pixel counts; row = label, column = prediction.
        classes: K names.
        path: The picture file.
    """
    totals = matrix.sum(1, keepdims=True)
    percent = np.where(totals > 0, 100 * matrix / np.maximum(totals, 1), np.nan)
    side = 2.5 + 0.42 * len(classes)
    figure = new_figure(side + 0.6, side)
    axes = figure.subplots()
    image = axes.imshow(percent, vmin=0, vmax=100, cmap="Blues")
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("prediction")
    axes.set_ylabel("label")
    axes.set_title("share of each class's pixels (%)")
    axes.spines[:].set_visible(False)
    for (row, column), value in np.ndenumerate(percent):
        faint = np.isnan(value) or value < 1
        axes.text(
            column,
            row,
            _cell(value),
            ha="center",
            va="center",
            color="white" if value > 55 else "0.55" if faint else "0.1",
            fontsize=6.0 if faint else 8.0,
        )
    figure.colorbar(image, ax=axes, shrink=0.7)
    save_figure(figure, path)


def _cell(value: float) -> str:
    """What a cell says: a whole percent, '<1' for a trace, nothing for none, '-' for no row."""
    if np.isnan(value):
        return "-"
    if value == 0:
        return ""
    return f"{value:.0f}" if value >= 1 else "<1"
