"""What all data sets share: finding files, choosing a subset, reading one sample."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from mmengine.logging import print_log
from torch.utils.data import Dataset

from daseg.datasets.files.inventory import Inventory, Place, find_list, take_stock
from daseg.datasets.files.lists import heading, list_line
from daseg.datasets.files.scan import Layout, Sample, ScanError
from daseg.datasets.files.table import SampleTable
from daseg.datasets.label_reader import LabelReader
from daseg.datasets.load_image import loader_of
from daseg.datasets.pipeline import Pipeline, note_moved
from daseg.datasets.prepared.store import Store
from daseg.datasets.rng import isolated_rng
from daseg.ops.labels import IGNORE
from daseg.utils.errors import ConfigError, DataError
from daseg.utils.files import atomic_write_text
from daseg.utils.hints import hint

DEFAULT_PIPELINE = (
    dict(type="LoadImageFromFile"),
    dict(type="LoadLabel"),
    dict(type="PackSample"),
)


class SampleIndex(NamedTuple):
    """Which sample a sampler has drawn, and what for.

    Attributes:
        index: Number of the sample in the data set.
        position: Its place in the endless stream of samples, from which its random draws follow.
        draw_class: Train id of the class that it was drawn for, or None; `RandomCrop` looks for it.
    """

    index: int  # type: ignore[assignment]  # tuples have a method of this name, not needed here
    position: int
    draw_class: int | None = None


class WholeIndex(SampleIndex):
    """Which sample, by its plain number: of it is asked, too, whether it is the whole image.

    Samplers of a training give places in a stream, whose crops and flips are as they should be.
    """


def sample_index(index: int | SampleIndex, length: int) -> SampleIndex:
    """A plain index, counted from the end if negative, is its own place in the stream."""
    if isinstance(index, SampleIndex):
        return index
    if not -length <= index < length:
        raise IndexError(f"sample {index} of {length}")
    return WholeIndex(index % length, index % length)


class SegDataset(Dataset[dict[str, Any]]):
    """Images with labels in files; the base of every data set of daseg.

    All files are looked for here, once; a missing one is an error before anything is read.

    Args:
        root: Folder of the data set.
        layout: Where the files lie below it.
        reader: Maps the ids of the label files to train ids.
        classes: Name of each train id.
        palette: RGB colour of each train id.
        pipeline: Transforms, or their configs, in mmcv's style (keys ``img_path``, ``img`` in BGR,
            ``gt_seg_map``); the last one is `PackSample`. None: images and labels as they are.
        list_file: Names of the images to use, one a line, below the image folder, with or without
            suffix. A relative path is looked for in ``root``, then in the working directory.
        num_samples: Use only so many of them, chosen at random by ``subset_seed``. Subsets of one
            seed are nested: the 100 lie inside the 500.
        subset_seed: Seed of that choice.
        labels: False: label files are neither looked for nor opened, and samples have no label.
        label_root: Root of the labels where it is not ``root``: translated images keep the
            labels of the original, pseudo-labels lie in a folder of their own.
        label_encoding: What the label files hold: the data set's own label ids, or train ids
            (0..K-1 and 255), as pseudo-labels do.
        on_missing: What to do where an image, or its label, does not exist: "error", or "skip" it
            with a warning that counts them.
        seed: Seed of the augmentation. None: the sampler's.
        prepared: Folder of ``daseg prepare``: what the fixed first steps of the pipeline give is
            read from there. Samples are the same, bit for bit, and the data set's own files need
            not be there; where they are, a changed one is an error.

    Raises:
        ConfigError: What is prepared is of other settings; the message says which.
        DataError: A folder or file is missing; the message names it.

    Attributes:
        CLASSES: Names of the classes, of a data set that always has the same ones.
        PALETTE: Their RGB colours.
        rows: Which of the samples that were found are used, int64; None: all of them.
        list_path: The list file that was found; None without one.
        notes: What the search for images passed over, as it is reached twice, in words.
        hidden: Files and folders that it passed over for the dot in front of their names.
        without_image: Label files whose image is not there.
    """

    CLASSES: Sequence[str] = ()
    PALETTE: Sequence[Sequence[int]] = ()
    list_path: Path | None = None
    notes: Sequence[str] = ()
    hidden: Sequence[str] = ()
    without_image: Sequence[Path] = ()

    def __init__(
        self,
        root: str | Path,
        *,
        layout: Layout,
        reader: LabelReader,
        classes: Sequence[str],
        palette: Sequence[Sequence[int]],
        pipeline: Sequence[Any] | None = None,
        list_file: str | Path | None = None,
        num_samples: int | None = None,
        subset_seed: int = 0,
        labels: bool = True,
        label_root: str | Path | None = None,
        label_encoding: Literal["ids", "train_ids"] = "ids",
        on_missing: Literal["error", "skip"] = "error",
        seed: int | None = None,
        prepared: str | Path | None = None,
    ) -> None:
        self.root = Path(root).expanduser()
        self.layout, self.labels, self.seed = layout, labels, seed
        self.metainfo: dict[str, Any] = dict(
            classes=tuple(classes), palette=[list(c) for c in palette]
        )
        self.label_root = Path(label_root).expanduser() if label_root else self.root
        self.reader = _reader(reader, label_encoding, len(classes))
        self.subset_seed = subset_seed
        self.pipeline = Pipeline(DEFAULT_PIPELINE if pipeline is None else pipeline)
        if on_missing not in ("error", "skip"):
            raise ConfigError(f"on_missing is 'error' or 'skip', not {on_missing!r}")
        self.list_file, self.on_missing = list_file, on_missing
        self.prepared = None if prepared is None else Store(Path(prepared).expanduser(), self)
        found = self.scan() if self.prepared is None else self.prepared.samples
        self.num_found = len(found) if self.prepared is None else self.prepared.num_found
        rows = self._subset(num_samples)
        self.rows = None if len(rows) == self.num_found else torch.from_numpy(rows)
        places = rows if self.prepared is None else self.prepared.places(rows, self)
        self.samples = found if len(places) == len(found) else found.take(places)

    def __len__(self) -> int:
        return len(self.samples)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} images at {self.root})"

    @property
    def names(self) -> list[str]:
        """Name of each sample: its path below the image folder, without suffix."""
        return self.samples.names()

    @property
    def max_value(self) -> int | None:
        """Largest value of 16-bit images; see `daseg.datasets.files.io.read_image`."""
        loader = loader_of(self.pipeline.transforms)
        return None if loader is None else loader.max_value

    def __getitem__(self, index: int | SampleIndex) -> dict[str, Any]:
        """Run the pipeline on one sample.

        Args:
            index: Which sample; a `SampleIndex` also says which place in the stream its random
                draws are for. A plain number is its own place.

        Returns:
            What the pipeline makes; with `PackSample` last: ``image`` (3, H, W) uint8 RGB,
            ``label`` (H, W) int64, ``meta``. Where a plain number asks for it, and the pipeline
            has done more than stretch the image, ``meta`` says so as ``moved``: testing refuses it.

        Raises:
            DataError: A file cannot be read, or its label does not fit.
        """
        place = sample_index(index, len(self))
        with isolated_rng(self.seed or 0, place.position):
            described = self.describe(place.index)
            if place.draw_class is not None:
                described["draw_class"] = place.draw_class
            steps, moved = 0, None
            if self.prepared is not None:
                number = place.index if self.rows is None else int(self.rows[place.index])
                described, moved = self.prepared.start(number, described)
                steps = self.prepared.steps
            if not isinstance(place, WholeIndex):
                return self.pipeline(described, steps)
            sample, then_moved = self.pipeline.whole(described, steps)
            return note_moved(sample, moved or then_moved)

    def describe(self, index: int) -> dict[str, Any]:
        """What the pipeline starts from: paths, name, and how to read the label."""
        sample = self.samples[index]
        return dict(
            img_path=str(sample.image),
            seg_map_path=None if sample.label is None else str(sample.label),
            name=sample.name,
            label_reader=self.reader,
        )

    def inherit_seed(self, seed: int) -> None:
        """Take the sampler's seed for the augmentation, where the data set was given none."""
        if self.seed is None:
            self.seed = seed

    def write_list(self, path: str | Path) -> None:
        """Write the names of the samples to a file that ``list_file`` can read."""
        atomic_write_text(path, "\n".join(self.list_lines()) + "\n")

    def list_lines(self) -> list[str]:
        """The lines of `write_list`: a heading, and the names."""
        subset = f", subset_seed {self.subset_seed}" if len(self) < self.num_found else ""
        title = f"{type(self).__name__} at {self.root}: {len(self)} of {self.num_found} images"
        return [heading(title + subset), *map(self.list_line, self.samples)]

    def list_line(self, sample: Sample) -> str:
        """The line of a list file that names this sample."""
        suffix = sample.image.name[len(Path(sample.name).name) :]
        return list_line(sample.name, suffix, self.layout.image_suffixes)

    def place(self) -> Place:
        """Where its files lie."""
        return Place(type(self).__name__, self.root, self.label_root, self.layout)

    def scan(self) -> SampleTable:
        """Look for all files, those of the list where there is one.

        Raises:
            DataError: A folder or a file is missing.
        """
        who, list_file, on_missing = type(self).__name__, self.list_file, self.on_missing
        if not self.root.is_dir():
            advice = hint(self.root) or "; say root=FOLDER"
            raise DataError(f"{who}: its root {self.root} does not exist{advice}")
        place = self.place()
        if list_file is not None:
            self.list_path = find_list(list_file, place)
        stock = take_stock(place, labels=self.labels, list_file=self.list_path)
        self.notes, self.hidden = stock.notes, stock.hidden
        self.without_image = stock.without_image
        for text in _warnings(stock, on_missing):
            print_log(f"{who} at {self.root}: {text}", logger="current", level=logging.WARNING)
        lines = list(stock.problems.values())
        if lines and (on_missing == "error" or not stock.samples):
            raise ScanError(
                f"{who} at {self.root}: {len(lines)} of {stock.names} samples lack a file (a name "
                f"looks like {stock.example!r}; on_missing='skip' leaves them out):",
                lines,
            )
        labels = place.labels if self.labels else None
        return SampleTable(self.layout, place.images, labels, stock.samples)

    def _subset(self, num_samples: int | None) -> np.ndarray:
        """Which of the samples that were found are used; their numbers, rising."""
        if num_samples is None:
            return np.arange(self.num_found)
        if not 0 < num_samples <= self.num_found:
            raise ConfigError(
                f"{type(self).__name__}: num_samples={num_samples}, but there are "
                f"{self.num_found} images at {self.root}"
            )
        # RandomState: numpy promises that its stream never changes, so a subset stays the same.
        order = np.random.RandomState(self.subset_seed).permutation(self.num_found)
        return np.sort(order[:num_samples])


def _reader(reader: LabelReader, encoding: str, num_classes: int) -> LabelReader:
    if encoding == "ids":
        return reader
    if encoding == "train_ids":
        return LabelReader({i: i for i in range(num_classes)}, (IGNORE,), reader.channel)
    raise ConfigError(f"label_encoding is 'ids' or 'train_ids', not {encoding!r}")


def _warnings(stock: Inventory, on_missing: str) -> Iterator[str]:
    lines = list(stock.problems.values())
    if lines and on_missing == "skip" and stock.samples:
        yield f"left out {len(lines)} of {stock.names} samples: {lines[0]}, ..."
    if stock.notes:
        yield f"{len(stock.notes)} places were passed over: {stock.notes[0]}, ..."
    if stock.label_folders:
        yield f"what lies in {stock.label_folders[0]} is taken for labels, not for images"
    if stock.without_image:
        yield f"{len(stock.without_image)} labels have no image: {stock.without_image[0]}, ..."
