"""Log losses and metrics: all of them to the file, a short line to the console."""

import shutil
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.hooks import LoggerHook as MMLoggerHook
from mmengine.runner import Runner

from daseg.registry import HOOKS
from daseg.utils.log import CONSOLE_ONLY, FILE_ONLY
from daseg.utils.progress import duration


@HOOKS.register_module()
class LoggerHook(MMLoggerHook):
    """mmengine's hook of this name, which also logs the first and the last iteration.

    The file gets mmengine's lines. The console gets shorter ones: progress, the time that is left,
    the learning rate and the losses; of a validation the metrics. Scalars are written to the
    visualizer at the interval, at the end, and after each validation.
    """

    first: int | None = None

    def before_train(self, runner: Runner) -> None:
        """Remember the first iteration of this process."""
        self.first = runner.iter

    def is_due(self, runner: Runner, batch_idx: int) -> bool:
        """Whether an iteration is logged."""
        is_end = batch_idx in (self.first, runner.max_iters - 1)
        return is_end or self.every_n_inner_iters(batch_idx, self.interval)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Log the losses."""
        if not self.is_due(runner, batch_idx):
            return
        scalars, text = runner.log_processor.get_log_after_iter(runner, batch_idx, "train")
        runner.logger.info(text, extra=FILE_ONLY)
        eta = runner.message_hub.get_info("eta", 0.0)
        line = training_line(scalars, batch_idx + 1, runner.max_iters, eta)
        runner.logger.info(line, extra=CONSOLE_ONLY)
        if self.every_n_inner_iters(batch_idx, self.interval) or batch_idx + 1 == runner.max_iters:
            runner.visualizer.add_scalars(scalars, step=batch_idx + 1, file_path=self.json_log_path)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Log the metrics."""
        super().after_val_epoch(runner, metrics)
        runner.logger.info(metrics_line("validation", metrics or {}), extra=CONSOLE_ONLY)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Log the metrics."""
        super().after_test_epoch(runner, metrics)
        runner.logger.info(metrics_line("test", metrics or {}), extra=CONSOLE_ONLY)


def training_line(scalars: Mapping[str, Any], done: int, total: int, eta: float) -> str:
    """The console's text for an iteration; several lines where the console is narrow.

    Args:
        scalars: Means since the last line: ``time`` (seconds an iteration), ``loss_*``, ``*lr``,
            and on a GPU ``memory`` (MiB).
        done: Iterations done.
        total: Iterations of the training.
        eta: Seconds that are left.
    """
    left = f"{duration(eta)} left" if done < total else "done"
    pace = f"{scalars.get('time', 0.0):.2f} s each, {left}"
    parts = [f"iter {done:>{len(str(total))}}/{total}", pace]
    rates = dict.fromkeys(v for name, v in scalars.items() if name.endswith("lr"))
    if rates:
        parts.append(f"lr {' '.join(f'{rate:.2g}' for rate in rates)}")
    if "memory" in scalars:
        parts.append(f"{scalars['memory'] / 1024:.1f} GiB")
    losses = {n.removeprefix("loss_"): v for n, v in scalars.items() if n.startswith("loss")}
    parts += [f"{name} {value:.4g}" for name, value in losses.items()]
    return _wrapped(parts)


def metrics_line(what: str, metrics: Mapping[str, Any]) -> str:
    """The console's text of a validation or a test."""
    shown = [f"{n.rpartition('/')[2]} {v:.4g}" for n, v in metrics.items() if isinstance(v, float)]
    return _wrapped([what, *shown])


def _wrapped(parts: Sequence[str]) -> str:
    """Join the parts to lines, without breaking a part."""
    width = max(40, shutil.get_terminal_size((120, 24)).columns)
    whole = "  ".join(part.replace(" ", "\u00a0") for part in parts)
    lines = textwrap.wrap(
        whole, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines).replace("\u00a0", " ")
