"""Scores of the predictions of target images that need no labels."""

from collections.abc import Iterator
from typing import Any

import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from daseg.datasets import collate
from daseg.datasets.domain_pair import without_labels
from daseg.datasets.pipeline import require_whole
from daseg.datasets.probe.preview import check_whole
from daseg.engine.adabn import spread_batches, target_images
from daseg.evaluation.label_free import LabelFreeScores
from daseg.hooks.watch import GONE
from daseg.registry import DATASETS, HOOKS
from daseg.utils.errors import ConfigError
from daseg.utils.log import FILE_ONLY

# A class has gone where it once had more than this share of the pixels, and now less than GONE.
SEEN = 1e-3


@HOOKS.register_module()
class LabelFreeScoresHook(Hook):
    """At each validation, log scores of target images that need no label.

    ``labelfree_entropy``, ``labelfree_information``, ``labelfree_flip_agreement`` and, where there
    is a teacher, ``labelfree_teacher_agreement``, each 0..1, stand beside the mIoU in the log, in
    ``scalars.json`` and TensorBoard; ``save_best`` of the checkpoint hook takes them, too.
    `LabelFreeScores` says what they are. The network is the one that is validated.

    ``labelfree_share/<class>``, in ``scalars.json`` and TensorBoard, is the share of the pixels
    that are predicted as the class. Where a class that had more than 0.1 % at an earlier validation
    has less than 0.001 %, a warning names it.

    The images are training images of the target, always the same, spread evenly over the data set,
    through the validation's pipeline. No label is read, no random number drawn, and no weight or
    statistic changed: the training is the one without the hook. Several processes share the images.

    Args:
        images: Number of images.
        dataset: Data set of the images, with a pipeline of its own. None: the target of the
            `DomainPair` that is trained on, through the validation's pipeline.

    Where the training has no target and no ``dataset`` is given, it measures nothing, and the log
    says so.

    Raises:
        ConfigError: ``images`` is not at least 1.
    """

    def __init__(self, images: int = 32, *, dataset: dict[str, Any] | None = None) -> None:
        if images < 1:
            raise ConfigError(f"LabelFreeScoresHook: images is at least 1, not {images}")
        self.images = images
        self.dataset = dataset
        self.source: Any = None  # the built data set
        self.largest: dict[str, float] = {}  # share of each class so far
        self.gone: set[str] = set()

    def before_train(self, runner: Runner) -> None:
        """Find the images; nothing where there is no validation."""
        if runner.val_loop is None:
            return
        if self.dataset is not None:
            self.source = DATASETS.build(without_labels(dict(self.dataset)))
        elif "target" in (runner.cfg.train_dataloader.get("dataset") or {}):
            self.source = DATASETS.build(target_images(runner.cfg, like="val_dataloader"))
        else:
            runner.logger.info("no label-free scores: there is no target domain", extra=FILE_ONLY)
            return
        check_whole(self.source, type(self).__name__)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Measure; put the scores beside the metrics."""
        if self.source is None:
            return
        measured = self._measure(runner)
        scores = {f"labelfree_{key}": value for key, value in measured.result().items()}
        for key, value in scores.items():
            runner.message_hub.update_scalar(f"val/{key}", value)
        if metrics is not None:
            metrics.update(scores)
        count = measured.num_classes
        names = getattr(runner.train_dataloader.dataset, "metainfo", {}).get("classes", ())
        names = names if len(names) == count else [f"class {index}" for index in range(count)]
        shares = dict(zip(names, measured.shares(), strict=True))
        own = {f"labelfree_share/{name}": share for name, share in shares.items()}
        runner.visualizer.add_scalars(own, step=runner.iter)
        self._warn_of_gone(runner, shares)

    def _warn_of_gone(self, runner: Runner, shares: dict[str, float]) -> None:
        gone = {n for n, share in shares.items() if share < GONE and self.largest.get(n, 0) > SEEN}
        new = [f"{name} (it had {self.largest[name]:.1%})" for name in sorted(gone - self.gone)]
        if new:
            runner.logger.warning(
                f"iteration {runner.iter}: gone from the predictions of the target's images: "
                f"{', '.join(new)}. docs/recipes.md says what to look at"
            )
        self.gone = gone
        self.largest = {n: max(share, self.largest.get(n, 0)) for n, share in shares.items()}

    @torch.no_grad()
    def _measure(self, runner: Runner) -> LabelFreeScores:
        adapter = runner.bare_model
        judged, segmentor = adapter.evaluated_network, runner.bare_segmentor
        scores = LabelFreeScores(segmentor.num_classes)
        for image in self._batches(runner):
            flipped = judged.predict(image.flip(3)).flip(3)
            other = None
            if adapter.teacher is not None:  # the one of the two that is not judged
                network = adapter.teacher_network if judged is segmentor else segmentor
                other = network.predict(image)
            scores.add(judged.predict(image), flipped, other)
        return scores

    def _batches(self, runner: Runner) -> Iterator[Tensor]:
        """This process's batches, on its device."""
        size = runner.cfg.val_dataloader.get("batch_size", 1)
        batches = spread_batches(len(self.source), size, self.images)
        for batch in batches[get_rank() :: get_world_size()]:
            # No loader: it would draw from torch's generator.
            data = collate([self.source[index] for index in batch])
            require_whole(data["meta"])
            yield runner.bare_model.data_preprocessor(data, training=False)["image"]
