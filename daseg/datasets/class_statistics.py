"""How many pixels of each class every label has: counted once, kept, and noticed when stale.

The counts of a data set are kept in a file of the cache (`daseg.utils.cache`), an entry for each
label with the size and the time of its file: a label that has changed since is counted anew. The
file is that of a folder of labels and of the way its ids are read, so that subsets of a data set,
and its translated images, which have the same labels, share it.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import broadcast_object_list, is_main_process

from daseg.datasets.base import SegDataset
from daseg.datasets.files.scan import Sample
from daseg.ops.labels import IGNORE
from daseg.utils.cache import cache_folder
from daseg.utils.errors import DataError, UserError, WriteError
from daseg.utils.files import atomic_write_text
from daseg.utils.json_files import read_json
from daseg.utils.progress import track

WORKERS = 4
# By name of the sample: bytes and time of the label file, and its pixels by train id.
Entries = dict[str, tuple[int, int, dict[str, int]]]


def class_counts(dataset: SegDataset, workers: int = WORKERS) -> np.ndarray:
    """Pixels of each train id in every label of a data set, at the size of the files.

    Of several processes the first counts, for all.

    Args:
        dataset: A data set with labels.
        workers: Number of threads that read what is not known yet.

    Returns:
        (len(dataset), 256) integers, in the order of its samples; the last column is "ignore".

    Raises:
        DataError: A label cannot be read, or the data set has none.
    """
    if not dataset.labels:
        raise DataError(f"{dataset} has no labels whose classes could be counted: labels=False")
    made: list[Any] = [None]
    if is_main_process():
        try:
            made = [_known_or_counted(dataset, workers)]
        except UserError as error:  # all processes are to know, none is to wait for it
            made = [error]
    broadcast_object_list(made)
    if isinstance(made[0], UserError):
        raise made[0]
    counts: np.ndarray = made[0]
    return counts


def _known_or_counted(dataset: SegDataset, workers: int) -> np.ndarray:
    path = statistics_file(dataset)
    known = _read(path)
    counts = np.zeros((len(dataset), IGNORE + 1), np.int64)
    unknown = []
    for row, sample in enumerate(dataset.samples):
        entry = known.get(sample.name)
        if entry is not None and tuple(entry[:2]) == _state(sample):
            counts[row, [int(label) for label in entry[2]]] = list(entry[2].values())
        else:
            unknown.append(row)
    if unknown:
        with ThreadPoolExecutor(max(workers, 1)) as pool:
            read = pool.map(
                lambda path: np.bincount(dataset.reader.read(path).ravel(), minlength=IGNORE + 1),
                (label for row in unknown if (label := dataset.samples[row].label) is not None),
            )
            title = f"counting the classes of {dataset}"
            for row, found in zip(unknown, track(read, len(unknown), title), strict=True):
                counts[row] = found
        keep_counts(dataset, {row: counts[row] for row in unknown})
    return counts


def keep_counts(dataset: SegDataset, counts: Mapping[int, np.ndarray]) -> None:
    """Keep the counts of some samples, by their number, beside those that are kept already.

    Where the cache cannot be written they are counted again the next time.
    """
    if not counts:
        return
    path = statistics_file(dataset)
    entries = _read(path)
    for row, found in counts.items():
        sample = dataset.samples[row]
        pixels = {str(label): int(found[label]) for label in np.flatnonzero(found)}
        entries[sample.name] = (*_state(sample), pixels)
    with suppress(WriteError):
        atomic_write_text(path, json.dumps(entries))


def statistics_file(dataset: SegDataset) -> Path:
    """The file of the cache that keeps the counts of a data set's labels."""
    reader, layout = dataset.reader, dataset.layout
    folder = os.path.realpath(dataset.label_root / layout.label_dir)
    digest = hashlib.sha256(repr((folder, layout.label_suffix, type(reader))).encode())
    for name, value in sorted(vars(reader).items()):
        digest.update(name.encode())
        digest.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    name = f"{type(dataset).__name__}_{digest.hexdigest()[:16]}.json"
    return cache_folder("class_statistics") / name


def _read(path: Path) -> Entries:
    """What a file of counts holds; nothing where there is none, or it is broken."""
    try:
        entries: Entries = read_json(path, "class statistics", dict[str, tuple[int, int, dict]])
    except DataError:
        return {}
    return entries


def _state(sample: Sample) -> tuple[int, int]:
    """What changes with a label file: its bytes, and the time it was written, in nanoseconds."""
    assert sample.label is not None
    try:
        found = os.stat(sample.label)
    except OSError as error:
        raise DataError(f"label {sample.label} cannot be read: {error.strerror}") from error
    return found.st_size, found.st_mtime_ns
