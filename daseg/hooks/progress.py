"""Show the progress of a run between the lines of the log."""

import sys
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from daseg.registry import HOOKS
from daseg.utils.progress import Progress


@HOOKS.register_module()
class ProgressHook(Hook):
    """Write ``training 37/500 7% 0.83 s each, 6 min 24 s left`` between the lines of the log.

    A terminal has one line that changes. A file has lines for validation and testing only, since
    the log has the training's.

    Args:
        interval: Seconds between two lines of a file.
    """

    priority = "LOWEST"
    progress: Progress | None = None  # None where nothing is shown

    def __init__(self, interval: float = 10.0) -> None:
        self.interval = interval

    def before_train(self, runner: Runner) -> None:
        """Start the clock of the training, also after an interruption."""
        if sys.stderr.isatty():
            self._start("training", runner.max_iters, runner.iter)
        else:
            self.progress = None

    def before_val_epoch(self, runner: Runner) -> None:
        """Start the clock."""
        self._start("validating", len(runner.val_dataloader))

    def before_test_epoch(self, runner: Runner) -> None:
        """Start the clock."""
        self._start("testing", len(runner.test_dataloader))

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Start the clock of the training again."""
        self.before_train(runner)

    def after_pseudo_labels(self, runner: Runner) -> None:
        """Start the clock of the training again."""
        self.before_train(runner)

    def _start(self, what: str, total: int, done: int = 0) -> None:
        if is_main_process():
            self.progress = Progress(what, total, done=done, interval=self.interval)

    def after_train_iter(self, runner: Runner, batch_idx: int, *args: Any, **kwargs: Any) -> None:
        """Show the progress."""
        if self.progress is not None:
            self.progress.update(batch_idx + 1)

    after_val_iter = after_test_iter = after_train_iter
