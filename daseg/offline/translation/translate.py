"""Translate a whole data set into the target's look: what ``daseg translate`` does."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from daseg.config.load import load_config
from daseg.evaluation.protocol import versions
from daseg.offline.recorder import complete_entries, going_on
from daseg.offline.translation.data import in_order
from daseg.offline.translation.gate import Gate
from daseg.offline.translation.job import Job, Size, Writer
from daseg.offline.translation.sheet import write_contact_sheet
from daseg.utils.errors import DataError
from daseg.utils.lock import locked
from daseg.utils.manifest import Entry, Manifest
from daseg.utils.progress import track
from daseg.utils.writable import check_folder


@dataclass
class Translated:
    """What a translation left behind.

    Attributes:
        out: The translated data set.
        images: Number of images in it.
        made: How many of them were made now; the others were there already.
        labels: Number of labels.
        skipped: By source file, why it could not be translated.
    """

    out: Path
    images: int
    made: int
    labels: int
    skipped: dict[str, str] = field(default_factory=dict)


def translate(
    config: str | Path,
    checkpoint: str | Path | None = None,
    *,
    out: str | Path,
    source: str | Path | None = None,
    translator: list[str] | None = None,
    workers: int = 2,
    tile: int | None = None,
    device: str = "cpu",
    size: Size = "file",
    limit: int | None = None,
    world: str | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    segmentor: tuple[str | Path, str | Path] | None = None,
    segmentor_world: str | None = None,
    copy_labels: bool = False,
    on_error: Literal["error", "skip"] = "error",
    overwrite: bool = False,
) -> Translated:
    """Write a data set beside the source of a config, translated; go on where an earlier run ended.

    Args:
        config: A config whose training data is the source, or a pair with it.
        checkpoint: Weights of its model, a `CycleGAN`. None: a translator that needs no training.
        out: Root of the translated data set.
        source: Root of the source; None: the config's.
        translator: Name and arguments of a translator that needs no training; None: the config's.
        workers: Processes that read and threads that write; 0: none, and one.
        tile: Run the network in tiles of so many pixels.
        device: Where it runs.
        size: Of the images: "file", the source file's, or "trained", that of the training.
        limit: Only so many images, the first ones.
        world: Take the config as it is in a small world.
        cfg_options: Overrides by dotted key.
        segmentor: Config and checkpoint of a segmentor that judges the translation.
        segmentor_world: Take its config as it is in that small world.
        copy_labels: Copy the labels; else they are linked.
        on_error: What to do with an image that cannot be read: "error", or "skip" it.
        overwrite: Replace what was translated with other settings.

    Raises:
        ConfigError, CheckpointError, DataError: Before anything is written where it can be known;
            else what was written stays, whole, for the next run. Another process writes there.
    """
    check_folder(out, "--out")
    cfg = load_config(config, dict(cfg_options or {}), world=world)
    options: dict[str, Any] = dict(translator=translator, device=device, tile=tile)
    job = Job(cfg, checkpoint, Path(out), source=source, size=size, limit=limit, **options)
    gate = None
    if segmentor is not None:
        gate = Gate(job.source, *segmentor, device=device, world=segmentor_world)
    with going_on(), locked(job.set.out):
        manifest = Manifest(job.set.out, job.settings(), overwrite=overwrite)
        done = _complete(job, manifest, workers)
        try:
            manifest.start(done)
            labels = job.set.place_labels(job.indices, copy=copy_labels)
            made, skipped = _translate_all(job, manifest, workers, on_error)
            here = [i for i in job.indices if job.source.names[i] in manifest.entries]
            job.set.write_lists(here)
        finally:
            manifest.close()
        manifest.finish(_about(job, config, world, skipped))
        write_contact_sheet(job.set, here, job.target, job.seed)
        if gate is not None:
            gate.judge(job.set, here, workers)
    return Translated(job.set.out, len(here), made, labels, skipped)


def _complete(job: Job, manifest: Manifest, workers: int) -> dict[str, Entry]:
    """The images of earlier runs that are whole, and whose sources have not changed."""
    files = {
        name: (job.set.image_path(index), job.source.samples[index].image)
        for index, name in enumerate(job.source.names)
    }
    return complete_entries(manifest, files, workers)


def _translate_all(
    job: Job, manifest: Manifest, workers: int, on_error: str
) -> tuple[int, dict[str, str]]:
    """Translate what is not there yet; return how many, and by file what was skipped and why."""
    todo = [i for i in job.indices if job.source.names[i] not in manifest.entries]
    skipped: dict[str, str] = {}
    loader = in_order(job.images(todo), workers)
    with Writer(job, manifest, workers) as writer:
        for item in track(loader, len(todo), "translating"):
            if item.problem is None:
                writer.put(item, job.pixels(item))
            elif on_error == "skip":
                skipped[str(job.source.samples[item.index].image)] = item.problem
            else:
                raise DataError(f"{item.problem}; --on-error skip leaves such images out")
    return len(todo) - len(skipped), skipped


def _about(
    job: Job, config: str | Path, world: str | None, skipped: dict[str, str]
) -> dict[str, Any]:
    source, target = job.source, job.target
    return dict(
        written=time.strftime("%Y-%m-%d %H:%M:%S"),
        config=str(config) if world is None else f"{config} --world {world}",
        **job.translator.origin,
        source=dict(type=type(source).__name__, root=str(source.root), images=len(source)),
        target=None if target is None else dict(type=type(target).__name__, root=str(target.root)),
        device=str(job.translator.device),
        versions=versions(),
        skipped=skipped,
    )
