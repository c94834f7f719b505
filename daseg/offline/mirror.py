"""A data set beside another one: the same names in the same folders, the same labels."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from daseg.datasets import SegDataset
from daseg.datasets.files.lists import read_list
from daseg.utils.errors import DataError
from daseg.utils.files import Staged, atomic_write, atomic_write_text
from daseg.utils.pictures import JPEG
from daseg.utils.progress import track
from daseg.utils.writable import writing


class MirroredSet:
    """The paths of a data set with the layout of ``source`` in another folder.

    Args:
        source: The data set whose names, folders, labels and lists it has.
        out: Its root.
        read_only: Further folders that nothing may be written into.

    Raises:
        DataError: ``out`` is, holds or lies in the source or a folder of ``read_only``, or leads
            there by a link.
    """

    def __init__(self, source: SegDataset, out: Path, read_only: Sequence[Path] = ()) -> None:
        self.source, self.out, self.layout = source, out, source.layout
        for root in {each.resolve() for each in (source.root, source.label_root, *read_only)}:
            for folder in ("", self.layout.image_dir, self.layout.label_dir):
                written = (out / folder).resolve()
                if root in (written, *written.parents) or written in root.parents:
                    raise DataError(
                        f"{out / folder} and {root}, which is only read, are the same folder or "
                        "one contains the other: choose a separate folder for the new data set"
                    )

    def image_path(self, index: int) -> Path:
        """The path of the image that is made from the source's."""
        sample = self.source.samples[index]
        path = self.out / sample.image.relative_to(self.source.root)
        # A lossless format is preferred, but the data set has to find the file: CamVid looks for
        # .jpg alone.
        ending = path.with_suffix(".png").name[len(Path(sample.name).name) :]
        lossy = path.suffix.lower() in JPEG and ending in self.layout.image_suffixes
        return path.with_suffix(".png") if lossy else path

    def label_path(self, index: int) -> Path:
        """The path of its label."""
        return self._label(self.out, index)

    def original_label(self, index: int) -> Path:
        """The path of the source's label, if there is one, even for a set without labels."""
        return self.source.samples[index].label or self._label(self.source.label_root, index)

    def _label(self, root: Path, index: int) -> Path:
        name = self.source.samples[index].name
        return root / self.layout.label_dir / self.layout.label_file(name)

    def place_labels(self, indices: Sequence[int], *, copy: bool) -> int:
        """Link, or copy, the labels of these images; return how many there are."""
        count = 0
        for index in track(indices, len(indices), "placing labels"):
            label = self.original_label(index)
            if label.is_file():
                (_copy if copy else _link)(label, self.label_path(index), self.out)
                count += 1
        return count

    def write_lists(self, indices: Sequence[int]) -> None:
        """Write the list files that lie below the source's root.

        The list that the source was built with names the images ``indices``; other lists in its
        folder are copied if all their images are among them.
        """
        used, root = self.source.list_path, self.source.root.resolve()
        if used is None or root not in used.resolve().parents:
            return
        chosen = [self.source.samples[index] for index in indices]
        names = {sample.name for sample in chosen}
        lines = "\n".join(map(self.source.list_line, chosen)) + "\n"
        atomic_write_text(self.out / used.resolve().relative_to(root), lines, root=self.out)
        for other in sorted(used.parent.glob(f"*{used.suffix}")):
            if other != used and set(read_list(other, self.layout.image_suffixes, names)) <= names:
                _copy(other, self.out / other.resolve().relative_to(root), self.out)

    def aside(self, name: str) -> Path:
        """The path of a picture that is not an image of the data set."""
        # Data sets skip names with a dot: here the root itself is the folder of the images.
        hidden = Path(self.layout.image_dir) == Path(".")
        return self.out / (f".{name}" if hidden else name)


def _link(label: Path, path: Path, root: Path) -> None:
    """Make a relative link, which stays valid if both folders are moved together."""
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


def _copy(file: Path, path: Path, root: Path) -> None:
    """Copy a file unless one of its size and time is there."""
    was = file.stat()
    if path.is_file() and not path.is_symlink():
        now = path.stat()
        if (now.st_size, now.st_mtime_ns) == (was.st_size, was.st_mtime_ns):
            return
    with atomic_write(path, root=root) as temporary:
        shutil.copy2(file, temporary)  # with its time, by which it is known to be the same
