"""When checkpoints are written, and which are kept."""

import logging
import math
from pathlib import Path
from typing import Any

from mmengine.dist import master_only
from mmengine.hooks import CheckpointHook as MMCheckpointHook
from mmengine.runner import Runner

from daseg.engine.checkpoint import numbered_checkpoints, save_now
from daseg.engine.outside import warn_of_space
from daseg.registry import HOOKS
from daseg.utils.errors import ConfigError
from daseg.utils.log import quiet

NO_BEST = "no best checkpoint is written"


@HOOKS.register_module()
class CheckpointHook(MMCheckpointHook):
    """Write ``iter_N.pth`` into the work dir at intervals, and after the last iteration.

    mmengine's hook of this name counts epochs where it is not told otherwise, removes the old
    checkpoint before the new one is on the disk, and loses count of the old ones when resumed;
    and it takes any misspelt argument.

    Args:
        interval: Iterations between checkpoints.
        max_keep_ckpts: How many of the newest are kept; -1 keeps all.
        save_best: Metric by which the best is kept too: ``'mIoU'``.
        rule: "greater" or "less"; None: as the metric's name tells.
        save_last: Whether the last iteration's is written where it is not at the interval.
        by_epoch: False; there are no epochs.
    """

    best_ckpt_path: str | None = None

    def __init__(
        self,
        interval: int = 1000,
        *,
        max_keep_ckpts: int = -1,
        save_best: str | None = None,
        rule: str | None = None,
        save_last: bool = True,
        by_epoch: bool = False,
    ) -> None:
        if by_epoch:
            raise ConfigError("CheckpointHook: interval counts iterations; leave by_epoch out")
        super().__init__(
            interval, by_epoch=False, save_best=save_best, rule=rule, save_last=save_last
        )
        self.keep, self.best_metric = max_keep_ckpts, save_best

    def before_train(self, runner: Runner) -> None:
        """Prepare the folder; warn if the disk has too little space for a checkpoint."""
        with quiet(logging.WARNING):  # mmengine warns of its own FileClient
            super().before_train(runner)
        warn_of_space(runner)

    def after_train(self, runner: Runner) -> None:
        """Save what would be lost when the training stops early."""
        if self.save_last and runner.train_loop.done:
            save_now(runner)
        if self.best_metric and runner.val_loop is not None and self.best_ckpt_path is None:
            runner.logger.warning(
                f"save_best={self.best_metric!r}: {NO_BEST}: no validation gave a number for it"
            )

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, float]) -> None:
        """Remove the old best when the new one is on the disk, not before."""
        if not self.best_metric:
            return
        value = metrics.get(self.best_metric)
        if isinstance(value, float) and math.isnan(value):
            runner.logger.warning(
                f"save_best={self.best_metric!r}: after iteration {runner.iter} the validation "
                "gave NaN for it, which is never the best: none of its classes is in labels or "
                "predictions, perhaps"
            )
        old, self.best_ckpt_path = self.best_ckpt_path, None
        super()._save_best_checkpoint(runner, metrics)
        if self.best_ckpt_path is None:
            self.best_ckpt_path = old
        elif old is not None and old != self.best_ckpt_path:
            self._remove(Path(old))

    @master_only
    def _remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        super()._save_checkpoint_with_step(runner, step, meta)
        for path in numbered_checkpoints(self.out_dir)[: -self.keep] if self.keep > 0 else ():
            self._remove(path)
