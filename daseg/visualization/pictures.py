"""Pictures of results, drawn without a screen."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from daseg.ops.colours import Palette, colorize
from daseg.utils.errors import ConfigError
from daseg.utils.files import atomic_write
from daseg.utils.writable import check_file

DPI = 110


def new_figure(width: float, height: float) -> Figure:
    """A figure of this size in inches that belongs to no window and no global state."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def check_picture(path: str | Path, option: str = "--out") -> None:
    """Check before the work that a picture can be written, of a format that there is.

    Raises:
        ConfigError: There is no such format.
        WriteError: No file can be written there.
    """
    check_file(path, option)
    known = FigureCanvasAgg.get_supported_filetypes()
    if Path(path).suffix.lower().removeprefix(".") not in known:
        raise ConfigError(
            f"{option} {path}: a picture's name ends in .png, .jpg, .pdf or .svg, or another of "
            f"{', '.join(known)}"
        )


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


class DomainPicture(NamedTuple):
    """One image of a domain, and what is known of it.

    Attributes:
        domain: Its name.
        image: (H,W,3) uint8 RGB.
        label: (h,w) train ids, 255 drawn black; None where there is none.
        prediction: (h,w) class indices.
        entropy: (h,w), 0 (sure) to 1 (undecided).
    """

    domain: str
    image: np.ndarray
    label: np.ndarray | None
    prediction: np.ndarray
    entropy: np.ndarray


def draw_domains(
    domains: Sequence[DomainPicture],
    palette: Sequence[Sequence[int]],
    out_png: str | Path,
    *,
    classes: Sequence[str],
    title: str = "",
) -> None:
    """Draw a row for each domain: image, label, prediction, entropy; below them the classes.

    Args:
        domains: What is drawn.
        palette: RGB of each class, 0..255.
        out_png: The picture file.
        classes: Names of the classes, for the legend of those that occur.
        title: What stands above all.
    """
    heights = [4 * each.image.shape[0] / each.image.shape[1] for each in domains]
    figure = new_figure(16.6, sum(heights) + 1.6)
    grid = figure.subplots(len(domains), 4, squeeze=False, height_ratios=heights)
    figure.suptitle(title)
    present: set[int] = set()
    for row, (domain, image, label, prediction, entropy) in zip(grid, domains, strict=True):
        maps = [None if each is None else colorize(each, palette) for each in (label, prediction)]
        _row(row, [image, *maps, entropy], "")
        for axes, what in zip(row, ("image", "label", "prediction", "entropy"), strict=True):
            heading = f"{domain}: {what}" if domain else what
            axes.set_title("" if what == "label" and label is None else heading)
        present |= set(np.unique(prediction)) | set(() if label is None else np.unique(label))
    heat = grid[0, 3].images[0]
    figure.colorbar(heat, ax=grid[:, 3], shrink=0.6, label="0 sure, 1 undecided")
    _legend(figure, classes, palette, present)
    save_figure(figure, out_png)


def picture_grid(
    columns: Sequence[Sequence[np.ndarray]],
    titles: Sequence[str],
    out_png: str | Path,
    *,
    title: str = "",
    names: Sequence[str] = (),
    classes: Sequence[str] = (),
    palette: Palette = (),
    present: set[int] | None = None,
) -> None:
    """Draw columns of pictures, each under its title.

    Args:
        columns: Pictures (H,W,3) uint8 RGB; a row has as many as the shortest column allows.
        titles: One for each column.
        out_png: The picture file.
        title: What stands above all.
        names: One for each row.
        classes: Names of classes, for a legend of those that are in ``present``.
        palette: Their RGB colours.
        present: Class indices of the legend; None: there is no legend.
    """
    rows = list(zip(*columns, strict=False))
    tallest = max(picture.shape[0] / picture.shape[1] for picture in rows[0])
    figure = new_figure(2.8 * len(columns), 2.8 * tallest * len(rows) + 0.9)
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    figure.suptitle(title)
    for axes, heading in zip(grid[0], titles, strict=True):
        axes.set_title(heading)
    for line, pictures, name in zip(grid, rows, names or [""] * len(rows), strict=True):
        _row(line, pictures, name)
    if present is not None:
        _legend(figure, classes, palette, present)
    save_figure(figure, out_png)


def _row(row: Sequence[Axes], pictures: Sequence[np.ndarray | None], title: str) -> None:
    for axes, picture in zip(row, pictures, strict=True):
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        if picture is not None:
            axes.imshow(picture, vmin=0, vmax=1, cmap="inferno")  # of no effect on colours
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
