"""Which classes the labels of a training have had so far."""

from typing import Any

import numpy as np
import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

KEY = "seen_classes"  # of the message hub, which travels in the checkpoint


class SeenClassesHook(Hook):
    """Warn of classes that no label of the training has had a pixel of: no network can learn them.

    `Runner` adds it to every training. It counts in the batches as they come from the loader, until
    every class has been seen, and warns before a validation, once as many images as there are have
    been drawn, and at the end. Of several processes it knows what all have seen.
    """

    priority: Any = 56  # the log (60) and the checkpoint (90) come after it

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.seen: Tensor = torch.zeros(0, dtype=torch.long)
        self.told: list[str] | None = None

    def before_train(self, runner: Runner) -> None:
        """Find the names of the classes; go on with what a resumed run has seen."""
        dataset = runner.train_dataloader.dataset
        known = getattr(dataset, "metainfo", None) or {}
        labelled = getattr(dataset, "source", dataset) is not None
        segments = hasattr(runner.bare_model, "segmentor")
        self.names = tuple(known.get("classes", ())) if segments and labelled else ()
        self.seen = torch.zeros(len(self.names), dtype=torch.long)
        kept = runner.message_hub.runtime_info.get(KEY) or ""
        for index in kept.split():
            if index.isdecimal() and int(index) < len(self.names):
                self.seen[int(index)] = 1

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Look at the labels of the source, or of the batch where there is no pair."""
        if bool(self.seen.all()) or not isinstance(data_batch, dict):
            return
        label = (data_batch.get("source") or data_batch).get("label")
        if not isinstance(label, Tensor) or label.is_cuda:
            return
        counts = np.bincount(label.numpy().ravel(), minlength=256)[: len(self.names)]
        self.seen |= torch.from_numpy(counts > 0)
        runner.message_hub.update_info(KEY, " ".join(map(str, self.seen.nonzero()[:, 0].tolist())))

    def before_val_epoch(self, runner: Runner) -> None:
        """Warn, once every image could have been seen."""
        if not self.names:  # a validation without training, or a training without classes
            return
        loader = runner.train_dataloader
        if runner.iter * loader.batch_size * runner.world_size >= len(loader.dataset):
            self._tell(runner)

    def after_train(self, runner: Runner) -> None:
        """Warn, before the numbers are used."""
        self._tell(runner)

    def _tell(self, runner: Runner) -> None:
        all_reduce(self.seen, "max")
        missing = [n for n, seen in zip(self.names, self.seen.tolist(), strict=True) if not seen]
        if missing and missing != self.told:
            runner.logger.warning(
                f"in {runner.iter} iterations no label had a pixel of {', '.join(missing)}: the "
                "network has not learnt it. If label files have it under another id, give the data "
                "set's id_map"
            )
        self.told = missing
