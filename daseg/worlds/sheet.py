"""A contact sheet of the embedded world."""

from pathlib import Path

from daseg.datasets.files.io import read_ids, read_rgb
from daseg.utils.errors import DataError
from daseg.visualization import contact_sheet, save_sheet
from daseg.worlds.drawing.files import Sample
from daseg.worlds.drawing.labels import COLOURS


def write_contact_sheet(root: Path, path: Path, *, rows: int = 6) -> None:
    """Write ``rows`` rows of source image, its label in colour, target image, its label."""
    pairs = [
        [Sample(domain, "train", index) for domain in ("game", "city")] for index in range(rows)
    ]
    drawn = [pair for pair in pairs if all(sample.is_drawn(root) for sample in pair)]
    if not drawn:
        raise DataError(f"{root} holds no demo world: draw it with `daseg make-demo`")
    paths = [[path for sample in pair for path in sample.paths(root)[:2]] for pair in drawn]
    cells = [[read_rgb(a), read_ids(b), read_rgb(c), read_ids(d)] for a, b, c, d in paths]
    headings = ("game", "its label", "city", "its label")
    save_sheet(contact_sheet(cells, headings=headings, palette=COLOURS, width=None), path)
