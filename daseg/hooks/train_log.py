"""Losses on their way to the log, without waiting for the device at every iteration."""

import math
from typing import Any

import torch
from mmengine.hooks import RuntimeInfoHook
from mmengine.runner import Runner

from daseg.registry import HOOKS
from daseg.utils.errors import UserError


class TrainingDivergedError(UserError, FloatingPointError):
    """A loss has become infinite or not a number."""


@HOOKS.register_module()
class TrainLogHook(RuntimeInfoHook):
    """Collect each iteration's losses on the device; fetch and check them a few at a time.

    mmengine's own hook calls ``.item()`` on every value of every iteration, which makes the CPU
    wait for the GPU each time. This one takes its place as the default hook ``runtime_info``.

    Args:
        interval: Iterations between two fetches; a divisor of the logger's interval.

    Raises:
        TrainingDivergedError: A loss is not finite. It names the first such iteration and all its
            losses, and comes before a checkpoint with broken weights is written.
    """

    def __init__(self, interval: int = 10) -> None:
        self.interval = interval
        self.pending: list[dict[str, torch.Tensor]] = []
        self.first = 0

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict[str, Any] | None = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Keep the losses; every ``interval`` iterations, and before saving, hand them on."""
        if not self.pending:
            self.first = batch_idx
        self.pending.append(outputs or {})
        done = batch_idx + 1
        saves = any(
            getattr(hook, "by_epoch", True) is False and done % getattr(hook, "interval", 1) == 0
            for hook in runner.hooks
            if type(hook).__name__ == "CheckpointHook"
        )
        if done % self.interval == 0 or done == runner.max_iters or saves:
            self.flush(runner)

    def flush(self, runner: Runner) -> None:
        """Fetch the pending losses in one transfer, check them, and put them into the log."""
        names = [name for outputs in self.pending for name in outputs]
        tensors = [value for outputs in self.pending for value in outputs.values()]
        values = torch.stack([v.detach().float() for v in tensors]).tolist() if tensors else []
        index = 0
        for offset, outputs in enumerate(self.pending):
            losses = dict(
                zip(
                    names[index : index + len(outputs)],
                    values[index : index + len(outputs)],
                    strict=True,
                )
            )
            index += len(outputs)
            self._check(losses, self.first + offset, runner)
            for name, value in losses.items():
                runner.message_hub.update_scalar(f"train/{name}", value)
        self.pending = []

    def _check(self, losses: dict[str, float], iteration: int, runner: Runner) -> None:
        if all(math.isfinite(value) for value in losses.values()):
            return
        shown = ", ".join(f"{name}={value:.4g}" for name, value in losses.items())
        raise TrainingDivergedError(
            f"iteration {iteration + 1}: a loss is not finite ({shown}). Checkpoints in "
            f"{runner.work_dir} are from before. Try a lower learning rate, clip_grad, "
            "or bfloat16 instead of float16."
        )
