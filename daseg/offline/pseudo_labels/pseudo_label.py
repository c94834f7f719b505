"""Write what trained networks say of target images: what ``daseg pseudo-label`` does."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daseg.engine.average import Checkpoints
from daseg.offline.pseudo_labels.audit import Audit, audit_job, check_audit
from daseg.offline.pseudo_labels.job import Job
from daseg.offline.pseudo_labels.report import Coverage
from daseg.offline.pseudo_labels.threshold import Threshold
from daseg.offline.pseudo_labels.write import write_labels
from daseg.offline.recorder import going_on
from daseg.utils.lock import locked
from daseg.utils.writable import check_folder


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
            else what was written stays, whole, for the next run. Another process writes there.
    """
    check_folder(out, "--out")
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
    seen = job.target_labels_seen
    name = str(config) if world is None else f"{config} --world {world}"
    about = dict(config=name, teacher_saw_target_labels=seen)
    with going_on(), locked(job.set.out):
        written = write_labels(job, about, workers=workers, overwrite=overwrite)
        found = None if validation is None else audit_job(job, validation, written.cuts, workers)
    return Made(job.set.out, written.images, written.made, written.coverage, seen, found)
