"""Self-training in rounds: new pseudo-labels during the training."""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import barrier, master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from daseg.api import test_steps
from daseg.datasets.domain_pair import DomainPair, no_domain
from daseg.datasets.pseudo_labels import check_pipeline
from daseg.engine.checkpoint import numbered_checkpoints
from daseg.hooks.checkpoint import CheckpointHook
from daseg.objectives.pseudo_label import PseudoLabelObjective
from daseg.offline.images import SourceImages
from daseg.offline.mirror import MirroredSet
from daseg.offline.pseudo_labels.round import Network, label_round
from daseg.offline.pseudo_labels.threshold import Threshold
from daseg.registry import HOOKS
from daseg.utils.errors import CheckpointError, ConfigError
from daseg.utils.manifest import FINAL

NETWORKS = ("current", "best", "ema")
WHO = "PseudoLabelHook"


@HOOKS.register_module()
class PseudoLabelHook(Hook):
    """Label the target's training images anew at some iterations, and train on these labels.

    Lee, "Pseudo-Label", ICML workshop 2013, labels anew at each step; Zou et al., "CBST", ECCV
    2018, in rounds, as this does. A round at iteration N is made by the network after N train steps
    and their validation, before the batch of the next: see `label_round`. The pseudo-labels lie in
    ``WORK_DIR/pseudo_labels/iter_N``, as those of ``daseg pseudo-label`` do. Which images are
    drawn, and how they are cropped, is as without the hook.

    Before the first round, where the config gives no ``pseudo_labels``, objectives on
    pseudo-labels are inactive. Checkpoints record the round that they were trained with. A resumed
    run makes the round of the iteration that it resumes at, or completes it.

    Args:
        interval: Iterations between two rounds. Not where ``iterations`` is given.
        iterations: Iterations of the rounds. Those at or after the training's end are left out.
        at_start: Whether there is a round before the first iteration, too.
        network: What labels. "current": the segmentor as it is trained; "best": the checkpoint that
            ``CheckpointHook(save_best=...)`` keeps; "ema": the moving average of the segmentor
            (``model.teacher_momentum``), before the first step the segmentor itself.
        threshold: Which pixels get a pseudo-label: a `Threshold` or its arguments, such as
            ``dict(kind='class-balanced', quantile=0.8)``. None: all.
        tta: Predict as the config's key ``tta`` says.
        keep: How many rounds stay on the disk, the newest ones, beside those that a checkpoint in
            the work dir was trained with, which its resume needs; -1: all.
        workers: Processes that read images while labelling; None: as many as in training.

    Raises:
        ConfigError: An argument is wrong; before the training: it does not fit the config.
        CheckpointError: The pseudo-labels of the checkpoint that is resumed are gone or others.
    """

    def __init__(
        self,
        *,
        interval: int | None = None,
        iterations: Sequence[int] | None = None,
        at_start: bool = False,
        network: Network = "current",
        threshold: Threshold | Mapping[str, Any] | None = None,
        tta: bool = False,
        keep: int = 1,
        workers: int | None = None,
    ) -> None:
        _check_times(interval, iterations, at_start)
        if network not in NETWORKS:
            raise ConfigError(f"{WHO}: network is one of {', '.join(NETWORKS)}, not {network!r}")
        if keep != -1 and keep < 1:
            raise ConfigError(f"{WHO}: keep is at least 1, or -1 to keep all, not {keep}")
        self.interval, self.iterations, self.at_start = interval, iterations or (), at_start
        self.network, self.threshold, self.tta = network, _threshold(threshold), tta
        self.keep, self.workers = keep, workers
        self.rounds: list[int] = []

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Take over the pseudo-labels that a checkpoint was trained with."""
        facts = checkpoint["meta"].get("pseudo_labels") or {}
        dataset = runner.train_dataloader.dataset
        if "iteration" not in facts or not isinstance(dataset, DomainPair):
            return
        given = dataset.pseudo_labels and dataset.pseudo_labels.facts
        if not given or given.get("manifest_sha256") != facts["manifest_sha256"]:
            dataset.use_pseudo_labels(self._same(runner, facts))

    def _same(self, runner: Runner, facts: Mapping[str, Any]) -> Path:
        """The folder of a round, after checking that it still is what the facts describe."""
        root, at = _folder(runner, facts["iteration"]), facts["iteration"]
        path = root / FINAL
        there = path.is_file()
        if not there or hashlib.sha256(path.read_bytes()).hexdigest() != facts["manifest_sha256"]:
            raise CheckpointError(
                f"the checkpoint was trained with the pseudo-labels of round {facts['round']} in "
                f"{root}, which {'are others by now' if there else 'are not there'}. The network "
                "has learnt since and cannot make them again: put the folder back, or resume from "
                f"a checkpoint of iteration {at} or before, without those after it"
            )
        return root

    def before_train(self, runner: Runner) -> None:
        """Check the settings against the config; tell the objectives when the first round is."""
        dataset = runner.train_dataloader.dataset
        if not isinstance(dataset, DomainPair):
            raise no_domain(WHO, "target")
        check_pipeline(dataset.single_target())
        MirroredSet(dataset.single_target(), _folder(runner, 0))
        SourceImages(dataset.single_target(), test_steps(runner.cfg)).check()
        end = runner.max_iters
        every = range(self.interval, end, self.interval) if self.interval else self.iterations
        self.rounds = sorted({*([0] if self.at_start else []), *(i for i in every if i < end)})
        self._check(runner)
        self._tell_objectives(runner, labelled=dataset.pseudo_labels is not None)
        shown = ", ".join(map(str, self.rounds)) or "none"
        runner.logger.info(f"iterations at which pseudo-labels are made: {shown}")

    def _check(self, runner: Runner) -> None:
        if self.tta and "tta" not in runner.cfg:
            raise ConfigError(
                f"{WHO}: tta=True, but the config has no key 'tta'; for example "
                "tta = dict(type='MultiScaleFlip', scales=[0.75, 1.0, 1.25], flip=True)"
            )
        if self.network == "ema" and runner.bare_model.teacher is None:
            raise ConfigError(
                f"{WHO}: network='ema' is the moving average of the segmentor, which the model "
                "does not keep: give model.teacher_momentum, for example 0.001"
            )
        if self.network == "best":
            self._check_best(runner)

    def _check_best(self, runner: Runner) -> None:
        keeper, loop = _keeper(runner), runner.val_loop
        if keeper is None or loop is None:
            raise ConfigError(
                f"{WHO}: network='best' is the checkpoint that is best in validation, but none is "
                "kept: give val_dataloader and default_hooks.checkpoint.save_best='mIoU'"
            )
        every = runner.train_loop.val_interval
        if self.rounds and self.rounds[0] < every:
            raise ConfigError(
                f"{WHO}: network='best' has no best checkpoint yet in the round at iteration "
                f"{self.rounds[0]}: the first validation is at {every} (train_cfg.val_interval)"
            )
        if every % keeper.interval:
            raise ConfigError(
                f"{WHO}: network='best' needs a checkpoint at each validation, or a resumed run "
                f"could not find the best one as it was: let train_cfg.val_interval, {every}, be a "
                f"multiple of default_hooks.checkpoint.interval, {keeper.interval}"
            )

    def _tell_objectives(self, runner: Runner, *, labelled: bool) -> None:
        """Let objectives on pseudo-labels begin with the first ones."""
        waiting = [o for o in runner.bare_model.objectives if isinstance(o, PseudoLabelObjective)]
        coming = [number for number in self.rounds if number >= runner.iter]
        if waiting and not labelled and not coming:
            raise ConfigError(
                f"{WHO}: the objective {type(waiting[0]).__name__} would never have pseudo-labels: "
                f"no round is between iteration {runner.iter}, where this run begins, and "
                f"train_cfg.max_iters, {runner.max_iters}: give a smaller interval, another of "
                "iterations, at_start=True, or the first ones as train_dataloader.dataset."
                "pseudo_labels"
            )
        for objective in waiting:
            objective.begin = 0 if labelled else coming[0]

    def before_train_batch(self, runner: Runner) -> None:
        """Make the round of this iteration, if it has one; train on it from here on."""
        if runner.iter not in self.rounds:
            return
        runner.call_hook("hand_on")
        runner.call_hook("before_pseudo_labels")
        runner.train_loop.restart_batches()
        self._label(runner)
        runner.call_hook("after_pseudo_labels")
        barrier()  # no process reads the old ones any more
        self._remove_old(runner)

    def _label(self, runner: Runner) -> None:
        out, loader = _folder(runner, runner.iter), runner.train_dataloader
        number = self.rounds.index(runner.iter) + 1
        job = label_round(
            runner,
            out,
            number,
            network=self.network,
            best=_best(runner) if self.network == "best" else None,
            threshold=self.threshold,
            tta=self.tta,
            workers=loader.num_workers if self.workers is None else self.workers,
        )
        loader.dataset.use_pseudo_labels(out)
        runner.logger.info(
            f"round {number} of pseudo-labels, of {len(job.entries)} images, "
            f"{100 * job.coverage.ignored:.2f} % of pixels without one: {out}"
        )

    def after_train(self, runner: Runner) -> None:
        """Remove rounds that no checkpoint needs any more."""
        self._remove_old(runner)

    @master_only
    def _remove_old(self, runner: Runner) -> None:
        """Keep the newest, and for each checkpoint the newest that was made before it."""
        if self.keep == -1:
            return
        made = [n for n in self.rounds if n <= runner.iter and _folder(runner, n).is_dir()]
        kept = set(made[-self.keep :])
        for path in numbered_checkpoints(runner.work_dir):
            kept |= set([n for n in made if n < int(path.stem.removeprefix("iter_"))][-1:])
        for number in set(made) - kept:
            shutil.rmtree(_folder(runner, number))


def _check_times(interval: int | None, iterations: Sequence[int] | None, at_start: bool) -> None:
    if interval is not None and iterations is not None:
        raise ConfigError(f"{WHO}: give interval or iterations, not both")
    if interval is None and not iterations and not at_start:
        raise ConfigError(f"{WHO}: say when: interval=5000, iterations=[...] or at_start=True")
    times = [interval] if interval is not None else list(iterations or ())
    if any(not isinstance(time, int) or time < 1 for time in times):
        raise ConfigError(
            f"{WHO}: interval and iterations are whole numbers of at least 1 (at_start=True is a "
            f"round before the first), not {interval if interval is not None else times}"
        )


def _threshold(threshold: Threshold | Mapping[str, Any] | None) -> Threshold:
    if isinstance(threshold, Threshold):
        return threshold
    try:
        return Threshold(**(threshold or {}))
    except (TypeError, ConfigError) as error:
        raise ConfigError(f"{WHO}: threshold={threshold!r}: {error}") from error


def _folder(runner: Runner, iteration: int) -> Path:
    return Path(runner.work_dir) / "pseudo_labels" / f"iter_{iteration}"


def _keeper(runner: Runner) -> CheckpointHook | None:
    """The hook that keeps the best checkpoint, if one does."""
    found = [h for h in runner.hooks if isinstance(h, CheckpointHook) and h.save_best]
    return found[0] if found else None


def _best(runner: Runner) -> Path:
    keeper = _keeper(runner)
    assert keeper is not None  # checked before the training
    if keeper.best_ckpt_path is None:
        raise ConfigError(
            f"{WHO}: network='best', but no validation up to iteration {runner.iter} has found a "
            f"best checkpoint by {keeper.save_best}"
        )
    return Path(runner.work_dir) / Path(keeper.best_ckpt_path).name
