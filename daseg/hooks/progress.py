"""Show how far a run is, between the lines of the log."""

import sys
import time
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from daseg.registry import HOOKS
from daseg.utils.progress import duration


@HOOKS.register_module()
class ProgressHook(Hook):
    """Write ``training 37/500, 0.83 s each, 6 min 24 s left`` between the lines of the log.

    A terminal sees one line that changes; in a file, where the training is logged anyway, a line
    is written for validation and testing only.

    Args:
        interval: Seconds between two lines in a file; a terminal's line changes twice a second.
    """

    priority = "LOWEST"

    def __init__(self, interval: float = 10.0) -> None:
        self.interval = interval
        self.begin = self.shown = 0.0
        self.first = 0

    def before_train(self, runner: Runner) -> None:
        """Start the clock."""
        self._start(runner.iter)

    def before_val_epoch(self, runner: Runner) -> None:
        """Start the clock."""
        self._start(0)

    before_test_epoch = before_val_epoch

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Start the clock of the training again: its pace is not that of the validation."""
        self._start(runner.iter)

    def after_pseudo_labels(self, runner: Runner) -> None:
        """Start the clock of the training again."""
        self._start(runner.iter)

    def _start(self, done: int) -> None:
        self.begin = self.shown = time.monotonic()
        self.first = done

    def after_train_iter(self, runner: Runner, batch_idx: int, *args: Any, **kwargs: Any) -> None:
        """Show the training's progress on a terminal."""
        if sys.stderr.isatty():
            self._show("training", batch_idx + 1, runner.max_iters)

    def after_val_iter(self, runner: Runner, batch_idx: int, *args: Any, **kwargs: Any) -> None:
        """Show the validation's progress."""
        self._show("validating", batch_idx + 1, len(runner.val_dataloader))

    def after_test_iter(self, runner: Runner, batch_idx: int, *args: Any, **kwargs: Any) -> None:
        """Show the test's progress."""
        self._show("testing", batch_idx + 1, len(runner.test_dataloader))

    def _show(self, what: str, done: int, total: int) -> None:
        now, terminal = time.monotonic(), sys.stderr.isatty()
        if not is_main_process() or now - self.shown < (0.5 if terminal else self.interval):
            return
        self.shown = now
        each = (now - self.begin) / max(done - self.first, 1)
        line = f"{what} {done}/{total}, {each:.2f} s each, {duration(each * (total - done))} left"
        # The log's next line overwrites a terminal's: it starts at the left too.
        print(
            f"\r{line}\x1b[K\r" if terminal else line,
            end="" if terminal else "\n",
            file=sys.stderr,
            flush=True,
        )
