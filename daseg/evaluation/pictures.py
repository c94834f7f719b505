"""Pictures of results, drawn without a screen."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from daseg.utils.colors import colorize
from daseg.utils.files import atomic_write

DPI = 110


def new_figure(width: float, height: float) -> Figure:
    """A figure of this size in inches that belongs to no window and no global state."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write the figure as the format of the path's suffix says, whole or not at all."""
    with atomic_write(path) as temporary:
        figure.savefig(temporary)


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
        axes.text(column, row, _cell(value), ha="center", va="center", **_cell_style(value))
    figure.colorbar(image, ax=axes, shrink=0.7)
    save_figure(figure, path)


def panel(
    images: Sequence[np.ndarray],
    labels: Sequence[np.ndarray | None],
    predictions: Mapping[str, Sequence[np.ndarray]],
    palette: Sequence[Sequence[int]],
    out_png: str | Path,
    *,
    titles: Sequence[str] = (),
    classes: Sequence[str] = (),
) -> None:
    """Draw rows of image, label and the predictions of one or several models.

    Args:
        images: (H,W,3) uint8 RGB each.
        labels: (h,w) train ids each, 255 drawn black; None leaves the place empty.
        predictions: By the name of the model, which heads its column: (h,w) class indices each.
        palette: RGB of each class, 0..255.
        out_png: The picture file.
        titles: A name for each row.
        classes: Names for a legend of the classes that occur; none without it.
    """
    height, width = images[0].shape[:2]
    columns = 2 + len(predictions)
    row_height = 4 * height / width
    figure = new_figure(4 * columns, row_height * len(images) + (1.1 if classes else 0.5))
    grid = figure.subplots(len(images), columns, squeeze=False)
    for axes, heading in zip(grid[0], ("image", "label", *predictions), strict=True):
        axes.set_title(heading)
    maps = list(zip(labels, *predictions.values(), strict=True))
    for number, (image, row) in enumerate(zip(images, maps, strict=True)):
        painted = [None if each is None else colorize(each, palette) for each in row]
        _row(grid[number], [image, *painted], titles[number] if titles else "")
    if classes:
        shown = [each for row in maps for each in row if each is not None]
        _legend(figure, classes, palette, set().union(*map(np.unique, shown)))
    save_figure(figure, out_png)


def _row(row: Sequence[Axes], pictures: Sequence[np.ndarray | None], title: str) -> None:
    for axes, picture in zip(row, pictures, strict=True):
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        if picture is not None:
            axes.imshow(picture)
        else:
            axes.text(0.5, 0.5, "no label", ha="center", va="center", transform=axes.transAxes)
    row[0].set_ylabel(title)


def _legend(
    figure: Figure, classes: Sequence[str], palette: Sequence[Sequence[int]], present: set[int]
) -> None:
    patches = [
        Patch(facecolor="#{:02x}{:02x}{:02x}".format(*colour), edgecolor="0.6", label=name)
        for index, (name, colour) in enumerate(zip(classes, palette, strict=True))
        if index in present
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=7, frameon=False, fontsize=9)


def _cell(value: float) -> str:
    """What a cell says: a whole percent, '<1' for a trace, nothing for none, '-' for no row."""
    if np.isnan(value):
        return "-"
    if value == 0:
        return ""
    return f"{value:.0f}" if value >= 1 else "<1"


def _cell_style(value: float) -> dict[str, Any]:
    faint = np.isnan(value) or value < 1
    colour = "white" if value > 55 else "0.55" if faint else "0.1"
    return {"color": colour, "fontsize": 6.0 if faint else 8.0}
