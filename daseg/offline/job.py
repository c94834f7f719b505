"""A data set that is made of another one, image by image: the work that goes on after a stop."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from mmengine.dist import (
    all_gather_object,
    barrier,
    broadcast_object_list,
    get_rank,
    get_world_size,
    is_main_process,
)

from daseg.datasets import SegDataset
from daseg.engine.stopping import all_or_none
from daseg.offline.images import Item, SourceImages, in_order
from daseg.offline.mirror import MirroredSet
from daseg.offline.recorder import Made, Recorder, complete_entries
from daseg.utils.errors import ConfigError, DataError
from daseg.utils.files import Staged
from daseg.utils.manifest import Entry, Journal, Manifest
from daseg.utils.pictures import stage_picture
from daseg.utils.progress import track
from daseg.utils.versions import versions
from daseg.visualization import contact_sheet, save_sheet

ROWS = 6  # of the contact sheet


class Job(ABC):
    """Makes files of the images of a data set, in a folder of the same layout.

    `run` records settings and images in a manifest, and continues an earlier run. Several
    processes, which see one disk, share the images; the files are those of one process.

    Args:
        dataset: The images that are read.
        out: The new data set's root.
        read_only: Further folders that nothing may be written into.
        limit: Only so many images, the first ones.

    Raises:
        ConfigError: ``limit`` is below 1.
        DataError: The folder is not to be written into.

    Attributes:
        entries: What the manifest says of each image, by its name.
        skipped: By source file, why it could not be read, where ``skip`` is set.
    """

    kind: ClassVar[str]  # of the manifest
    doing: ClassVar[str]  # in front of the progress
    hint = ""  # behind the message that an image cannot be read
    skip = False  # leave out images that cannot be read

    def __init__(
        self,
        dataset: SegDataset,
        out: Path,
        *,
        read_only: Sequence[Path] = (),
        limit: int | None = None,
    ) -> None:
        if limit is not None and limit < 1:
            raise ConfigError(f"limit is at least 1, not {limit}")
        self.dataset, self.set = dataset, MirroredSet(dataset, out, read_only)
        self.indices = range(min(len(dataset), limit or len(dataset)))
        self.entries: dict[str, Entry] = {}
        self.skipped: dict[str, str] = {}

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The settings that the files depend on besides the images, as plain values."""

    @abstractmethod
    def images(self, todo: Sequence[int]) -> SourceImages:
        """The images of these indices as the network takes them."""

    @abstractmethod
    def path(self, index: int) -> Path:
        """The file that is made of an image."""

    @abstractmethod
    def compute(self, item: Item) -> tuple[Any, ...]:
        """Run the network on an image; what `write` takes."""

    @abstractmethod
    def write(self, item: Item, *results: Any) -> Made:
        """Write the files of an image, in a thread; see `stage`."""

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What else the manifest says."""

    @abstractmethod
    def columns(self, chosen: Sequence[int]) -> dict[str, list[np.ndarray]]:
        """The contact sheet's pictures of some images, by heading."""

    def valid(self, entries: dict[str, Entry]) -> dict[str, Entry]:
        """Those of the images that are there which need not be made again."""
        return entries

    @abstractmethod
    def prepare(self, todo: Sequence[int], workers: int) -> None:
        """In all processes, before the images ``todo`` are made."""

    @abstractmethod
    def finish(self, here: Sequence[int]) -> None:
        """In the first process, when the images ``here`` are made and before the manifest."""

    def run(self, *, workers: int, overwrite: bool = False) -> int:
        """Make the images that are not there yet; return their number.

        Args:
            workers: Processes that read and threads that write, in each process; 0: none, and one.
            overwrite: Replace what was made with other settings.

        Raises:
            DataError: The folder holds something else, or a file cannot be read or written; what
                was written stays, whole, for the next run.
        """
        record = self._begin(workers, overwrite)
        try:
            todo = [i for i in self.indices if self.dataset.names[i] not in self.entries]
            self.prepare(todo, workers)
            with all_or_none():
                made = self._make(record, share(todo), workers)
            for each in all_gather_object((made, self.skipped)):
                self.entries |= each[0]
                self.skipped |= each[1]
        finally:
            record.close()
        barrier()  # all journals are closed, and can be removed
        if isinstance(record, Manifest):
            here = self.here()
            self.finish(here)
            record.entries = self.entries
            record.finish(
                dict(written=time.strftime("%Y-%m-%d %H:%M:%S"))
                | self.about()
                | dict(versions=versions())
            )
            self.write_sheet(here)
        barrier()
        return len(todo) - len(self.skipped)

    def here(self) -> list[int]:
        """The images that are made."""
        return [i for i in self.indices if self.dataset.names[i] in self.entries]

    def _begin(self, workers: int, overwrite: bool) -> Manifest | Journal:
        """The record to write to; finds the images that are made already."""
        out = self.set.out
        if not is_main_process():
            received: list[Any] = [None]
            broadcast_object_list(received)
            self.entries = received[0]
            return Journal(out / f"manifest.{get_rank()}.jsonl")
        manifest = Manifest(out, self.settings(), overwrite=overwrite, kind=self.kind)
        files = {s.name: (self.path(i), s.image) for i, s in enumerate(self.dataset.samples)}
        manifest.start(self.valid(complete_entries(manifest, files, workers)))
        self.entries = dict(manifest.entries)
        broadcast_object_list([self.entries])
        return manifest

    def _make(
        self, record: Manifest | Journal, todo: Sequence[int], workers: int
    ) -> dict[str, Entry]:
        with Recorder(record, workers) as recorder:
            for item in self.read(todo, workers, self.doing):
                recorder.submit(self.write, item, *self.compute(item))
        return recorder.made

    def read(self, todo: Sequence[int], workers: int, doing: str) -> Iterator[Item]:
        """Read images, with a line of progress in the first process.

        Raises:
            DataError: One cannot be read, and is not to be skipped.
        """
        stream = None if is_main_process() else StringIO()
        for item in track(in_order(self.images(todo), workers), len(todo), doing, stream):
            if item.problem is None:
                yield item
            elif self.skip:
                self.skipped[str(self.dataset.samples[item.index].image)] = item.problem
            else:
                raise DataError(item.problem + self.hint)

    def stage(self, item: Item, files: Mapping[str, tuple[Path, np.ndarray]], **facts: Any) -> Made:
        """Write the pictures of an image beside their places; all or none.

        Args:
            item: The image.
            files: Path and pixels, uint8, by the manifest's name of the file.
            facts: What else the manifest says of the image.
        """
        sample = self.dataset.samples[item.index]
        below = str(sample.image.relative_to(self.dataset.root))
        entry: Entry = dict(source=below, source_sha256=item.sha256, **facts)
        staged: list[Staged] = []
        try:
            for key, (path, pixels) in files.items():
                file, digest = stage_picture(path, pixels, root=self.set.out)
                staged.append(file)
                entry[key] = str(path.relative_to(self.set.out))
                entry["sha256" if key == "file" else f"{key}_sha256"] = digest
        except BaseException:
            for file in staged:
                file.discard()
            raise
        return Made(sample.name, entry, staged)

    def write_sheet(self, here: Sequence[int]) -> None:
        """Draw images spread over the data set, each beside its result."""
        if not here:
            return
        spread = np.linspace(0, len(here) - 1, min(ROWS, len(here))).round().astype(int)
        chosen = [here[i] for i in spread]
        columns, metainfo = self.columns(chosen), self.dataset.metainfo
        sheet = contact_sheet(
            list(zip(*columns.values(), strict=True)),
            headings=list(columns),
            captions=[[Path(self.dataset.names[i]).name] for i in chosen],
            classes=metainfo["classes"],
            palette=metainfo["palette"],
        )
        save_sheet(sheet, self.set.aside("contact_sheet.png"))


def share(todo: Sequence[int]) -> Sequence[int]:
    """Those of the images that are this process's."""
    return todo[get_rank() :: get_world_size()]


def data_set_facts(dataset: SegDataset) -> dict[str, Any]:
    """The description of an input data set for a manifest."""
    return dict(type=type(dataset).__name__, root=str(dataset.root), images=len(dataset))
