"""A data set beside another one: the same names in the same folders, the same labels."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from daseg.datasets import SegDataset
from daseg.datasets.lists import read_list
from daseg.utils.errors import DataError
from daseg.utils.files import Staged, atomic_write, atomic_write_text
from daseg.utils.pictures import JPEG, stage_picture
from daseg.utils.progress import track
from daseg.utils.writable import writing


class ParallelSet:
    """Writes a data set with the layout of ``source`` into another folder.

    Args:
        source: The data set whose names, folders, labels and lists it has.
        out: Its root.
        others: Further folders that nothing may be written into.

    Raises:
        DataError: ``out`` is, holds or lies in the source or one of ``others``, or leads there by
            a link.
    """

    def __init__(self, source: SegDataset, out: Path, others: Sequence[Path] = ()) -> None:
        self.source, self.out = source, out
        self._check([source.root, source.label_root, *others])

    def _check(self, roots: Sequence[Path]) -> None:
        layout = self.source.layout
        for root in {root.resolve() for root in roots}:
            for folder in ("", layout.image_dir, layout.label_dir):
                written = (self.out / folder).resolve()
                if root in (written, *written.parents) or written in root.parents:
                    raise DataError(
                        f"{self.out / folder} and {root}, which is only read, are the same or one "
                        "is in the other: choose a folder for the new data set that has "
                        "nothing to do with it"
                    )

    def image_path(self, index: int) -> Path:
        """Where the image goes that stands for that of the source."""
        image = self.source.samples[index].image
        below = image.relative_to(self.source.root)
        # What loses nothing is preferred, but the data set has to find the file: CamVid looks for
        # .jpg alone.
        as_png = below.with_suffix(".png")
        if below.suffix.lower() in JPEG and self._ending(as_png, index) in self._suffixes():
            return self.out / as_png
        return self.out / below

    def _suffixes(self) -> tuple[str, ...]:
        return self.source.layout.image_suffixes

    def _ending(self, path: Path, index: int) -> str:
        """What follows the sample's name in a path."""
        return path.name[len(Path(self.source.samples[index].name).name) :]

    def label_path(self, index: int) -> Path:
        """Where the label goes."""
        return self._label(self.out, index)

    def original_label(self, index: int) -> Path:
        """Where the source's label is, if there is one, even for a set without labels."""
        return self.source.samples[index].label or self._label(self.source.label_root, index)

    def _label(self, root: Path, index: int) -> Path:
        layout = self.source.layout
        return root / layout.label_dir / (self.source.samples[index].name + layout.label_suffix)

    def place_labels(self, indices: Sequence[int], *, copy: bool) -> int:
        """Link, or copy, the labels of these images; return how many there are."""
        count = 0
        for index in track(indices, len(indices), "placing labels"):
            label = self.original_label(index)
            if label.is_file():
                (_copy if copy else _link)(label, self.label_path(index), self.out)
                count += 1
        return count

    def stage_image(self, index: int, pixels: np.ndarray) -> tuple[Staged, str]:
        """Write RGB (H,W,3) uint8 beside its place; return it and the SHA-256 of the file.

        Raises:
            DataError: The file cannot be written; there is none under its name then.
        """
        return stage_picture(self.image_path(index), pixels, root=self.out)

    def write_lists(self, indices: Sequence[int]) -> list[Path]:
        """Write the list files that lie below the source's root, as far as their images are here.

        The list that the source was built with names the images that there are; of its fellows in
        the same folder those are copied of which no image is missing.
        """
        used = self.source.list_path
        chosen = [self.source.samples[index] for index in indices]
        names = {sample.name for sample in chosen}
        root = self.source.root.resolve()
        if used is None or root not in used.resolve().parents:
            return []
        written = [self.out / used.resolve().relative_to(root)]
        atomic_write_text(
            written[0], "\n".join(map(self.source.list_line, chosen)) + "\n", root=self.out
        )
        for other in sorted(used.parent.glob(f"*{used.suffix}")):
            if other != used and set(read_list(other, self._suffixes(), names)) <= names:
                written.append(self.out / other.resolve().relative_to(root))
                with atomic_write(written[-1], root=self.out) as temporary:
                    temporary.write_bytes(other.read_bytes())
        return written

    def aside(self, name: str) -> Path:
        """Where a picture goes that is no image of the data set."""
        # Data sets pass over names with a dot: here the root itself is the folder of the images.
        hidden = Path(self.source.layout.image_dir) == Path(".")
        return self.out / (f".{name}" if hidden else name)


def _link(label: Path, path: Path, root: Path) -> None:
    """Make a relative link: it holds where both folders are moved or mounted together."""
    staged = Staged(path, root=root)
    target = os.path.relpath(label.resolve(), path.parent.resolve())
    if path.is_symlink() and os.readlink(path) == target:
        return
    try:
        with writing(path):
            staged.temporary.symlink_to(target)
        staged.place()
    finally:
        staged.discard()


def _copy(label: Path, path: Path, root: Path) -> None:
    was = label.stat()
    if path.is_file() and not path.is_symlink():
        now = path.stat()
        if (now.st_size, now.st_mtime_ns) == (was.st_size, was.st_mtime_ns):
            return
    with atomic_write(path, root=root) as temporary:
        shutil.copy2(label, temporary)  # with its time, by which it is known to be the same
