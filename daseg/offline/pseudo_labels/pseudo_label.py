"""Write what trained networks predict for target images: what ``daseg pseudo-label`` does."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine import Config

from daseg.api import init_segmentor
from daseg.config.load import load_config
from daseg.engine.adabn import adapt_to_images, target_images
from daseg.engine.average import Checkpoints, checkpoint_paths
from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.class_check import check_checkpoint
from daseg.engine.lineage import target_labels_seen
from daseg.offline.images import training_images
from daseg.offline.pseudo_labels.audit import Audit, audit_data, audit_job
from daseg.offline.pseudo_labels.coverage import Coverage
from daseg.offline.pseudo_labels.labelling import Labelling, PredictionSettings
from daseg.offline.pseudo_labels.threshold import Threshold
from daseg.offline.recorder import going_on
from daseg.segmentor import Segmentor
from daseg.utils.errors import ConfigError
from daseg.utils.lock import locked
from daseg.utils.writable import check_folder
from daseg.weights.files import sha256_file


@dataclass
class Labelled:
    """What a run left behind.

    Attributes:
        out: The folder of the pseudo-labels.
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
    adabn: bool = False,
    amp: bool = False,
) -> Labelled:
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
        adabn: Take the statistics of batch norm from the target's images first, through the test's
            pipeline (`daseg.engine.adabn`); each network of several by itself.
        amp: Run the networks in mixed precision.

    Raises:
        ConfigError, CheckpointError, DataError: Before anything is written where it can be known;
            else what was written stays, whole, for the next run. Another process writes there.
    """
    check_folder(out, "--out")
    if limit is not None and limit < 1:  # before networks are read
        raise ConfigError(f"limit is at least 1, not {limit}")
    options = dict(cfg_options or {})
    cfg, paths = load_config(config, options, world=world), checkpoint_paths(checkpoints)
    segmentor = init_segmentor(config, paths, device, tta=tta, cfg_options=options, world=world)
    target = training_images(cfg, "target", data)
    norm = _adapt(segmentor, cfg, data) if adabn else None
    contents = [read_checkpoint(path) for path in paths]
    seen = target_labels_seen(contents, target)
    name = str(config) if world is None else f"{config} --world {world}"
    job = Labelling(
        segmentor,
        [dict(name=path.name, sha256=sha256_file(path)) for path in paths],
        target,
        Path(out),
        prediction=PredictionSettings.of(cfg, tta=tta, batch_norm=norm, amp=amp),
        threshold=threshold or Threshold(),
        facts=dict(config=name, teacher_saw_target_labels=seen),
        confidence_map=confidence_map,
        limit=limit,
    )
    for path, content in zip(paths, contents, strict=True):
        check_checkpoint(path, content.get("meta") or {}, job.classes, f"the target {target} has")
    validation = audit_data(cfg, target) if audit else None
    with going_on(), locked(job.set.out):
        made = job.run(workers=workers, overwrite=overwrite)
        found = None if validation is None else audit_job(job, validation, workers)
    return Labelled(job.set.out, len(job.entries), made, job.coverage, seen, found)


def _adapt(segmentor: Segmentor, cfg: Config, data: str | Path | None) -> str:
    """Adapt batch norm to the target that gets the labels; return what was done."""
    images = target_images(cfg)
    if data is not None:
        images = {**images, "root": str(data)}
    for other in getattr(segmentor.inference, "others", ()):
        adapt_to_images(other, images, cfg.test_dataloader)
    return adapt_to_images(segmentor, images, cfg.test_dataloader)
