"""Writing pseudo-labels: image after image, shared by all processes, and their record."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import (
    all_gather_object,
    all_reduce,
    barrier,
    broadcast_object_list,
    get_rank,
    get_world_size,
    is_main_process,
)

from daseg.engine.stopping import all_or_none
from daseg.evaluation.protocol import versions
from daseg.offline.pseudo_labels.labelling import AUDIT_FILES, Labelling
from daseg.offline.pseudo_labels.report import Coverage, write_sheet
from daseg.offline.recorder import Recorder, complete_entries
from daseg.offline.translation.data import Item, in_order
from daseg.utils.errors import DataError
from daseg.utils.files import atomic_write_text
from daseg.utils.manifest import Entry, Journal, Manifest
from daseg.utils.progress import track
from daseg.utils.pseudo_labels import KIND
from daseg.utils.signals import check
from daseg.weights.files import sha256_file

SAVE_SECONDS = 20  # between two savings of the histogram


@dataclass(frozen=True)
class Written:
    """What a writing of pseudo-labels left behind.

    Attributes:
        images: Number of images that have one.
        made: How many of them were made now; the others were there already.
        cuts: The threshold of each class.
        coverage: How many pixels of each class have one.
    """

    images: int
    made: int
    cuts: list[float]
    coverage: Coverage


class Share:
    """What a process beside the first has made; the first one takes it over at the end.

    Until then it is in a journal of its own, from which a later run goes on.

    Args:
        out: Folder of the pseudo-labels.
    """

    def __init__(self, out: Path) -> None:
        self.entries: dict[str, Entry] = {}
        self._journal = Journal(out / f"manifest.{get_rank()}.jsonl")

    def add(self, name: str, entry: Entry) -> None:
        """Record an image whose file is on the disk."""
        self._journal.add(name, entry)
        self.entries[name] = entry

    def close(self) -> None:
        """Write no more."""
        self._journal.close()


def write_labels(
    job: Labelling, about: Mapping[str, Any], *, workers: int, overwrite: bool = False
) -> Written:
    """Write pseudo-labels of a making's images; go on where an earlier run ended.

    Several processes, which see one disk, share the images; the files are those of one.

    Args:
        job: The making.
        about: What the manifest says of it, beside what is known here.
        workers: Processes that read and threads that write, in each process; 0: none, and one.
        overwrite: Replace what was made with other settings.

    Raises:
        DataError: The folder holds something else, or a file cannot be read or written; what was
            written stays, whole, for the next run.
    """
    record, entries = _begin(job, workers, overwrite)
    try:
        cuts = _cuts(job, workers)
        todo = [i for i in job.indices if job.target.names[i] not in entries]
        with all_or_none():
            own = _label_share(job, record, cuts, workers, _share(todo))
        for made in all_gather_object(own):
            entries |= made
    finally:
        record.close()
    barrier()  # all journals are closed, and can be removed
    coverage = Coverage.of(job.classes, entries, cuts)
    here = [i for i in job.indices if job.target.names[i] in entries]
    if isinstance(record, Manifest):
        record.entries = entries
        record.finish(_about(job, about, coverage))
        atomic_write_text(job.set.out / "report.txt", coverage.table() + "\n")
        write_sheet(job, here)
    barrier()
    return Written(len(here), len(todo), cuts, coverage)


def _share(todo: Sequence[int]) -> Sequence[int]:
    """Those of the images that are this process's."""
    return todo[get_rank() :: get_world_size()]


def _shown(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    if is_main_process():
        yield from track(items, total, what)
        return
    for item in items:
        yield item
        check()


def _begin(
    job: Labelling, workers: int, overwrite: bool
) -> tuple[Manifest | Share, dict[str, Entry]]:
    """The record to write to, and the images that are labelled already."""
    if not is_main_process():
        received: list[Any] = [None]
        broadcast_object_list(received)
        return Share(job.set.out), received[0]
    manifest = Manifest(job.set.out, job.settings(), overwrite=overwrite, kind=KIND)
    manifest.start(_complete(job, manifest, workers))
    if any(job.target.names[index] not in manifest.entries for index in job.indices):
        for name in AUDIT_FILES:  # which was of what is replaced now
            (job.set.out / name).unlink(missing_ok=True)
    broadcast_object_list([manifest.entries])
    return manifest, dict(manifest.entries)


def _complete(job: Labelling, manifest: Manifest, workers: int) -> dict[str, Entry]:
    """The images that need not be labelled again."""
    files = {
        name: (job.set.label_path(index), job.target.samples[index].image)
        for index, name in enumerate(job.target.names)
    }
    whole = complete_entries(manifest, files, workers)
    if job.confidence_map:
        whole = {name: entry for name, entry in whole.items() if _has_map(job, name, entry)}
    count = len(job.classes)
    whole = {name: entry for name, entry in whole.items() if _has_counts(entry, count)}
    if job.threshold.needs_histogram and not _is_counted(job, whole):
        return {}  # the thresholds will be others
    return whole


def _has_map(job: Labelling, name: str, entry: Entry) -> bool:
    path = job.confidence_path(name)
    named = entry.get("confidence") == str(path.relative_to(job.set.out))
    there = named and path.is_file() and not path.is_symlink()
    return there and sha256_file(path) == entry.get("confidence_sha256")


def _has_counts(entry: Entry, classes: int) -> bool:
    counts = [entry.get(key, ()) for key in ("predicted", "kept")]
    return all(len(each) == classes and min(each) >= 0 for each in counts)


def _is_counted(job: Labelling, whole: Mapping[str, Entry]) -> bool:
    """Whether the histogram is of all images as they are now; if of others, it is removed."""
    histogram = job.histogram()
    for index, counted in zip(job.indices, histogram.sources, strict=False):
        sample = job.target.samples[index]
        known = whole.get(sample.name)
        if counted != (known["source_sha256"] if known else sha256_file(sample.image)):
            histogram.path.unlink()
            return False
    return len(histogram.sources) == len(job.indices)


def _cuts(job: Labelling, workers: int) -> list[float]:
    """The threshold of each class; for those that depend on all images, all are looked at."""
    if not job.threshold.needs_histogram:
        return [job.threshold.bound if job.threshold.kind == "fixed" else 0.0] * len(job.classes)
    histogram = job.histogram()
    before, saved, done = histogram.counts.copy(), time.monotonic(), len(histogram.sources)
    todo = _share(job.indices[done:])
    with all_or_none():
        for item in _shown(in_order(job.images(todo), workers), len(todo), "measuring confidence"):
            prediction = job.predict(*_readable(item))
            histogram.add(prediction.classes, prediction.score, item.sha256)
            if get_world_size() == 1 and time.monotonic() - saved > SAVE_SECONDS:
                histogram.save()
                saved = time.monotonic()
    counted = torch.from_numpy(histogram.counts - before)
    all_reduce(counted, "sum")
    histogram.counts = before + counted.numpy()
    shares = all_gather_object(histogram.sources[done:])
    places = range(len(job.indices) - done)  # dealt out as by `_share`
    histogram.sources[done:] = [shares[k % len(shares)][k // len(shares)] for k in places]
    if is_main_process():
        histogram.save()
    return job.threshold.cuts(histogram.counts)


def _readable(item: Item) -> tuple[Any, tuple[int, int]]:
    if item.problem is not None:
        raise DataError(item.problem)
    return item.image, item.size


def _label_share(
    job: Labelling,
    record: Manifest | Share,
    cuts: Sequence[float],
    workers: int,
    todo: Sequence[int],
) -> dict[str, Entry]:
    """Label images that have no pseudo-label yet; return their entries."""
    with Recorder(record, workers) as recorder:
        for item in _shown(in_order(job.images(todo), workers), len(todo), "labelling"):
            prediction = job.predict(*_readable(item))
            maps = [prediction.classes, job.label(prediction, cuts)]
            confidence = (255 * prediction.confidence).round() if job.confidence_map else None
            arrays = [each.byte().cpu().numpy() for each in maps]
            shown = None if confidence is None else confidence.byte().cpu().numpy()
            recorder.submit(job.write, item, *arrays, shown)
    return {name: record.entries[name] for name in (job.target.names[i] for i in todo)}


def _about(job: Labelling, about: Mapping[str, Any], coverage: Coverage) -> dict[str, Any]:
    target = job.target
    return dict(
        written=time.strftime("%Y-%m-%d %H:%M:%S"),
        **about,
        checkpoints=job.networks,
        classes=list(job.classes),
        coverage=coverage.by_class(),
        ignored_share=round(coverage.ignored, 6),
        target=dict(type=type(target).__name__, root=str(target.root), images=len(target)),
        device=str(job.segmentor.device),
        versions=versions(),
    )
