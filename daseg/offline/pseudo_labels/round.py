"""Pseudo-labels made inside a training, by the network as it is then."""

import copy
from pathlib import Path
from typing import Any, Literal

from mmengine.dist import barrier

from daseg.datasets.rng import isolated_rng
from daseg.engine.checkpoint import load_segmentor, load_strictly, model_state, read_checkpoint
from daseg.engine.class_check import check_checkpoint, names_of
from daseg.engine.distributed import follow_first_process
from daseg.engine.evaluate import use_tta
from daseg.engine.lineage import target_labels_seen
from daseg.engine.provenance import checkpoint_meta
from daseg.offline.pseudo_labels.labelling import Labelling, PredictionSettings
from daseg.offline.pseudo_labels.threshold import Threshold
from daseg.segmentor import Segmentor, build_segmentor, without_initial_weights
from daseg.utils.workers import workers_of
from daseg.weights.files import sha256_file, weights_digest

Network = Literal["current", "best", "ema"]


def label_round(
    runner: Any,
    out: Path,
    number: int,
    *,
    network: Network,
    best: Path | None,
    threshold: Threshold,
    tta: bool,
    workers: int,
) -> Labelling:
    """Write pseudo-labels of the target that is trained on; go on where a killed run ended.

    They are those that ``daseg pseudo-label`` makes of a checkpoint of this iteration. A second
    network on the device makes them: the one that is trained is not touched, nor is any random
    number drawn. Of several processes all are to call it.

    Args:
        runner: The runner of the training, whose data set is a `DomainPair`.
        out: Folder of the pseudo-labels. What other weights or settings have made there goes.
        number: Number of the round, from 1.
        network: "current": the segmentor; "ema": its moving average; "best": that of a checkpoint.
        best: The checkpoint, for "best".
        threshold: Which pixels get a pseudo-label.
        tta: Predict as the config's key ``tta`` says.
        workers: Processes that read and threads that write.

    Raises:
        TrainingDivergedError: The network is not finite.
        CheckpointError, ConfigError, DataError: See `pseudo_label`.
    """
    barrier()  # the best checkpoint is on the disk
    runner.check_finite()
    with isolated_rng(runner.seed, runner.iter):
        segmentor, known, checkpoint = _network(runner, network, best, tta)
        target = runner.train_dataloader.dataset.single_target()
        job = Labelling(
            segmentor,
            [known],
            target,
            out,
            prediction=PredictionSettings.of(runner.cfg, tta=tta),
            threshold=threshold,
            facts=dict(
                config=str(runner.cfg.filename),
                round=number,
                iteration=runner.iter,
                network=network,
                teacher_saw_target_labels=target_labels_seen([checkpoint], target),
            ),
        )
        with workers_of("the images that get pseudo-labels", "PseudoLabelHook(workers)"):
            job.run(workers=workers, overwrite=True)
    return job


def _network(
    runner: Any, network: Network, best: Path | None, tta: bool
) -> tuple[Segmentor, dict[str, str], dict[str, Any]]:
    """The network in eval mode, its name and hash, and the meta of a checkpoint of it."""
    cfg = copy.deepcopy(runner.cfg)
    without_initial_weights(cfg.model)
    if tta:
        use_tta(cfg)
    segmentor = build_segmentor(cfg).to(runner.bare_segmentor.device).eval()
    if best is not None:
        meta = load_segmentor(segmentor, best)
        names = names_of(runner.train_dataloader.dataset.target)
        check_checkpoint(best, meta, names, "the target has")
        return segmentor, dict(name=best.name, sha256=sha256_file(best)), read_checkpoint(best)
    chosen = runner.bare_model.teacher_network if network == "ema" else runner.bare_segmentor
    load_strictly(segmentor, model_state(chosen), "the network that is trained")
    follow_first_process(segmentor)  # running statistics are each process's own
    name = f"{'teacher' if network == 'ema' else 'network'} of iteration {runner.iter}"
    opened = runner.message_hub.get_info("report_labels_opened", 0)
    hub = dict(runtime_info=dict(report_labels_opened=opened))
    now = dict(meta=checkpoint_meta(runner), message_hub=hub)  # what a checkpoint would say
    return segmentor, dict(name=name, sha256=weights_digest(segmentor)), now
