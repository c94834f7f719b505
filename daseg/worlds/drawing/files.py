"""The files of the embedded world: names, encodings, atomic writes."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from daseg.utils.files import Staged
from daseg.utils.pictures import encode_picture
from daseg.utils.writable import writing
from daseg.worlds.drawing.labels import COLOURS
from daseg.worlds.drawing.scene import draw_scene

CITIES = {
    "train": ("ansburg", "brunnstadt", "kaltenfurt"),
    "val": ("lindenau", "oberwied"),
    "test": ("marktfeld", "wehringen"),
}
FRAME = 19  # Cityscapes annotates the 20th frame of each sequence


@dataclass(frozen=True)
class Sample:
    """One picture to be drawn."""

    domain: str  # "game" or "city"
    split: str  # "train", "val" or "test"
    index: int  # within the split, from 0
    light: str = "day"  # or "dusk"
    game: str = "plain"  # or "varied"

    def paths(self, root: Path) -> tuple[Path, ...]:
        """Image, label ids and, for the city, the label in colour."""
        if self.domain == "game":
            name = f"{self.index + 1:05d}.png"
            return root / "gta5/images" / name, root / "gta5/labels" / name
        cities = CITIES[self.split]
        city = cities[self.index % len(cities)]
        stem = f"{city}_{self.index // len(cities):06d}_{FRAME:06d}"
        photo = root / "cityscapes/leftImg8bit" / self.split / city / f"{stem}_leftImg8bit.png"
        fine = root / "cityscapes/gtFine" / self.split / city
        return photo, fine / f"{stem}_gtFine_labelIds.png", fine / f"{stem}_gtFine_color.png"

    def is_drawn(self, root: Path) -> bool:
        """Whether all its files are there; files appear whole or not at all."""
        return all(path.is_file() for path in self.paths(root))

    def write(self, root: Path, seed: int, size: tuple[int, int]) -> None:
        """Draw the picture and write its files."""
        image, label = draw_scene(
            self.domain,
            seed,
            split=self.split,
            index=self.index,
            size=size,
            light=self.light,
            game=self.game,
        )
        paths, ids = self.paths(root), Image.fromarray(label)
        write_bytes(paths[0], encode_picture(paths[0], image))
        if self.domain == "game":  # as GTA5, whose labels are palette pictures
            ids.putpalette([part for colour in COLOURS for part in colour])
        data = io.BytesIO()
        ids.save(data, format="PNG")
        write_bytes(paths[1], data.getvalue())
        if self.domain == "city":
            write_bytes(paths[2], encode_picture(paths[2], np.array(COLOURS, np.uint8)[label]))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all.

    Raises:
        WriteError: The file cannot be written.
    """
    staged = Staged(path)
    try:
        with writing(path):  # not synced: a world has thousands of files, soon drawn again
            staged.temporary.write_bytes(data)
        staged.place()
    finally:
        staged.discard()
