"""Write what trained networks say of target images: what ``tools/pseudo_label.py`` does."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daseg.engine.average import Checkpoints
from daseg.engine.pseudo_label_audit import Audit, audit_job, check_audit
from daseg.engine.pseudo_label_job import CONFIDENCE, Job
from daseg.engine.pseudo_label_report import Coverage, write_sheet
from daseg.engine.pseudo_label_threshold import Threshold
from daseg.engine.recorder import Recorder, complete_entries
from daseg.engine.translation_data import Item, in_order
from daseg.evaluation.protocol import versions
from daseg.utils.errors import DataError
from daseg.utils.files import atomic_write_text
from daseg.utils.manifest import Entry, Manifest
from daseg.utils.progress import track
from daseg.utils.pseudo_labels import KIND

SAVE_SECONDS = 20  # between two savings of the histogram


@dataclass
class Made:
    """What a making of pseudo-labels left behind.

    Attributes:
        out: Their folder.
        images: Number of images that have one.
        made: How many of them were made now; the others were there already.
        coverage: How many pixels of each class have one.
        teacher_saw_target_labels: Labels of these images that the networks were trained with.
        audit: What they would be worth on validation images, where that was asked.
    """

    out: Path
    images: int
    made: int
    coverage: Coverage
    teacher_saw_target_labels: int | None
    audit: Audit | None = None


def pseudo_label(
    config: str | Path,
    checkpoints: Checkpoints,
    *,
    out: str | Path,
    data: str | Path | None = None,
    threshold: Threshold | None = None,
    tta: bool = False,
    confidence_map: bool = False,
    audit: bool = False,
    workers: int = 2,
    device: str = "cpu",
    limit: int | None = None,
    world: str | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Made:
    """Write pseudo-labels of the target's training images; go on where an earlier run ended.

    Args:
        config: The config of the networks; its training data, or the target of it, gets the labels.
        checkpoints: The network; of several, the mean of their probabilities is taken.
        out: Folder of the pseudo-labels.
        data: Another root of the target than the config's.
        threshold: Which pixels get one; None: all.
        tta: Predict as the config's key ``tta`` says.
        confidence_map: Also write the probability of each pixel's class, 0..255.
        audit: Compare what would be written with the labels of the validation images.
        workers: Processes that read and threads that write; 0: none, and one.
        device: Where the networks run.
        limit: Only so many images, the first ones.
        world: Take the config as it is in a small world.
        cfg_options: Overrides by dotted key.
        overwrite: Replace what was made with other settings.

    Raises:
        ConfigError, CheckpointError, DataError: Before anything is written where it can be known;
            else what was written stays, whole, for the next run.
    """
    job = Job(
        config,
        checkpoints,
        Path(out),
        data=data,
        threshold=threshold or Threshold(),
        tta=tta,
        confidence_map=confidence_map,
        limit=limit,
        device=device,
        world=world,
        cfg_options=dict(cfg_options or {}),
    )
    validation = check_audit(job) if audit else None
    manifest = Manifest(job.set.out, job.settings(), overwrite=overwrite, kind=KIND)
    done = _complete(job, manifest, workers)
    try:
        manifest.start(done)
        cuts = _cuts(job, workers)
        made = _label_all(job, manifest, cuts, workers)
    finally:
        manifest.close()
    coverage = Coverage.of(job.classes, manifest.entries, cuts)
    seen = job.target_labels_seen()
    name = str(config) if world is None else f"{config} --world {world}"
    manifest.finish(_about(job, name, seen, coverage))
    atomic_write_text(job.set.out / "report.txt", coverage.table() + "\n")
    here = [i for i in job.indices if job.target.names[i] in manifest.entries]
    write_sheet(job, here)
    found = None if validation is None else audit_job(job, validation, cuts, workers)
    return Made(job.set.out, len(here), made, coverage, seen, found)


def _complete(job: Job, manifest: Manifest, workers: int) -> dict[str, Entry]:
    files = {
        name: (job.set.label_path(index), job.target.samples[index].image)
        for index, name in enumerate(job.target.names)
    }
    whole = complete_entries(manifest, files, workers)
    if not job.confidence_map:
        return whole
    maps = {name: job.set.out / CONFIDENCE / f"{name}.png" for name in whole}
    return {name: entry for name, entry in whole.items() if maps[name].is_file()}


def _cuts(job: Job, workers: int) -> list[float]:
    """The threshold of each class; for those that depend on all images, all are looked at."""
    if not job.threshold.needs_histogram:
        return [job.threshold.bound if job.threshold.kind == "fixed" else 0.0] * len(job.classes)
    histogram = job.histogram()
    todo, saved = job.indices[histogram.done :], time.monotonic()
    for item in track(in_order(job.images(todo), workers), len(todo), "measuring confidence"):
        prediction = job.predict(*_readable(item))
        histogram.add(prediction.classes, prediction.score)
        if time.monotonic() - saved > SAVE_SECONDS:
            histogram.save()
            saved = time.monotonic()
    if todo:
        histogram.save()
    return job.threshold.cuts(histogram.counts)


def _readable(item: Item) -> tuple[Any, tuple[int, int]]:
    if item.problem is not None:
        raise DataError(item.problem)
    return item.image, item.size


def _label_all(job: Job, manifest: Manifest, cuts: Sequence[float], workers: int) -> int:
    """Label the images that have no pseudo-label yet; return how many."""
    todo = [i for i in job.indices if job.target.names[i] not in manifest.entries]
    with Recorder(manifest, workers) as recorder:
        for item in track(in_order(job.images(todo), workers), len(todo), "labelling"):
            prediction = job.predict(*_readable(item))
            maps = [prediction.classes, job.label(prediction, cuts)]
            confidence = (255 * prediction.confidence).round() if job.confidence_map else None
            arrays = [each.byte().cpu().numpy() for each in maps]
            shown = None if confidence is None else confidence.byte().cpu().numpy()
            recorder.submit(job.write, item, *arrays, shown)
    return len(todo)


def _about(job: Job, config: str, seen: int | None, coverage: Coverage) -> dict[str, Any]:
    target = job.target
    return dict(
        written=time.strftime("%Y-%m-%d %H:%M:%S"),
        config=config,
        checkpoints=job.networks(),
        teacher_saw_target_labels=seen,
        classes=list(job.classes),
        coverage=coverage.by_class(),
        ignored_share=round(coverage.ignored, 6),
        target=dict(type=type(target).__name__, root=str(target.root), images=len(target)),
        device=str(job.segmentor.device),
        versions=versions(),
    )
