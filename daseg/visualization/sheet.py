"""The contact sheet: pictures and class maps in rows and columns, with texts and a legend."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from daseg.ops.colours import Palette, colorize
from daseg.utils.pictures import write_picture
from daseg.visualization.figures import DPI, new_figure, save_figure

Cell = np.ndarray | None
TEXT = 18  # height of a line of text, in pixels
GAP = 6  # between pictures
LEGEND_CELL = 150


def contact_sheet(
    rows: Sequence[Sequence[Cell]],
    *,
    headings: Sequence[str] = (),
    captions: Sequence[Sequence[str]] = (),
    title: str = "",
    classes: Sequence[str] = (),
    palette: Palette = (),
    legend: Iterable[int] = (),
    width: int | None = 400,
) -> np.ndarray:
    """Lay pictures out.

    Args:
        rows: Pictures (H,W,3) uint8, RGB; class maps (H,W) of integers, painted, 255 black; heat
            maps (H,W) of floats 0..1, black to yellow; or None where there is no label.
        headings: A text above each column.
        captions: For each row, a text below each of its first pictures.
        title: What stands above all.
        classes: Names of the classes, for a legend of those that occur in the class maps.
        palette: RGB of each class, 0..255.
        legend: Indices of further classes in the legend.
        width: Width of each picture in pixels; None: its own.

    Returns:
        (H,W,3) uint8, RGB.
    """
    grid = [[_painted(cell, palette, width) for cell in row] for row in rows]
    columns = max(map(len, grid))
    widths = [
        max((row[c].shape[1] for row in grid if c < len(row)), default=0) for c in range(columns)
    ]
    lefts = [sum(widths[:c]) + c * GAP for c in range(columns)]
    whole = lefts[-1] + widths[-1]
    parts = [_line([title], [0], whole)] if title else []
    parts += [_line(headings, lefts, whole)] if headings else []
    for number, row in enumerate(grid):
        strip = np.full((max(each.shape[0] for each in row), whole, 3), 255, np.uint8)
        for left, picture in zip(lefts, row, strict=False):
            strip[: picture.shape[0], left : left + picture.shape[1]] = picture
        texts = captions[number] if captions else ()
        parts += [strip, _line(texts, lefts, whole)] if any(texts) else [strip]
        parts.append(np.full((GAP, whole, 3), 255, np.uint8))
    maps = [cell for row in rows for cell in row if cell is not None and _is_class_map(cell)]
    present = set(legend).union(*(np.unique(each).tolist() for each in maps))
    entries = [(classes[i], palette[i]) for i in sorted(present) if 0 <= i < len(classes)]
    return np.concatenate([*parts, _legend(entries, whole)])


def panel(
    images: Sequence[np.ndarray],
    labels: Sequence[np.ndarray | None],
    predictions: Mapping[str, Sequence[np.ndarray]],
    palette: Palette,
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
    sheet = contact_sheet(
        list(zip(images, labels, *predictions.values(), strict=True)),
        headings=("image", "label", *predictions),
        captions=[[title] for title in titles],
        classes=classes,
        palette=palette,
    )
    save_sheet(sheet, out_png)


def save_sheet(sheet: np.ndarray, path: str | Path) -> None:
    """Write a sheet as the format of the path's suffix says, whole or not at all."""
    if cv2.haveImageWriter(Path(path).name):
        write_picture(Path(path), sheet)
        return
    figure = new_figure(sheet.shape[1] / DPI, sheet.shape[0] / DPI)  # .pdf, .svg
    figure.figimage(sheet)
    save_figure(figure, path)


def _is_class_map(cell: np.ndarray) -> bool:
    return cell.ndim == 2 and cell.dtype.kind in "iu"


def _painted(cell: Cell, palette: Palette, width: int | None) -> np.ndarray:
    """A cell as a picture of this width."""
    if cell is None:
        return _line(["no label"], [0], width or LEGEND_CELL)
    method = Image.Resampling.BICUBIC
    if _is_class_map(cell):
        cell, method = colorize(cell, palette), Image.Resampling.NEAREST
    elif cell.ndim == 2:
        from matplotlib import colormaps

        colours = colormaps["inferno"](cell)[..., :3]
        cell = (255 * colours).round().astype(np.uint8)
    if width is None or cell.shape[1] == width:
        return cell
    height = max(1, round(cell.shape[0] * width / cell.shape[1]))
    return np.asarray(Image.fromarray(cell).resize((width, height), method))


def _line(texts: Sequence[str], lefts: Sequence[int], width: int) -> np.ndarray:
    """A line of texts that begin at these columns."""
    strip = Image.new("RGB", (width, TEXT), "white")
    for text, left in zip(texts, lefts, strict=False):
        ImageDraw.Draw(strip).text((left + 3, 2), text, fill="black", font=_font())
    return np.asarray(strip)


def _legend(entries: Sequence[tuple[str, Sequence[int]]], width: int) -> np.ndarray:
    """Names of classes beside their colours, in as many lines as are needed."""
    per_line = max(1, width // LEGEND_CELL)
    strip = Image.new("RGB", (width, -(-len(entries) // per_line) * (TEXT + 2)), "white")
    draw = ImageDraw.Draw(strip)
    for place, (name, colour) in enumerate(entries):
        x, y = place % per_line * LEGEND_CELL, place // per_line * (TEXT + 2)
        draw.rectangle((x + 3, y + 2, x + 23, y + TEXT - 2), fill=tuple(colour), outline="black")
        draw.text((x + 28, y + 2), name, fill="black", font=_font())
    return np.asarray(strip)


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=12)
