"""Losses for the log, fetched without waiting for the device at every iteration."""

import math
from typing import Any

import torch
from mmengine.dist import all_gather_object, all_reduce, get_world_size
from mmengine.hooks import RuntimeInfoHook
from mmengine.runner import Runner

from daseg.hooks.logger import LoggerHook
from daseg.registry import HOOKS
from daseg.utils.errors import TrainingDivergedError


@HOOKS.register_module()
class TrainLogHook(RuntimeInfoHook):
    """Collect each iteration's losses on the device; fetch and check several iterations at once.

    mmengine's hook calls ``.item()`` on every value of every iteration, which makes the CPU wait
    for the GPU each time. This one replaces it as the default hook ``runtime_info``.

    When the losses are fetched, all processes learn whether one of them has to stop.

    Raises:
        TrainingDivergedError: A loss is not finite. The message names the first such iteration
            and all its losses. It is raised in all processes, before broken weights are saved.
    """

    def __init__(self) -> None:
        self.pending: list[dict[str, torch.Tensor]] = []
        self.first = 0

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict[str, Any] | None = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Keep the losses; hand them on when they are logged."""
        if not self.pending:
            self.first = batch_idx
        self.pending.append(outputs or {})
        loggers = [hook for hook in runner.hooks if isinstance(hook, LoggerHook)]
        is_logged = any(hook.is_due(runner, batch_idx) for hook in loggers)
        if is_logged or batch_idx + 1 == runner.max_iters:
            self.flush(runner)

    def hand_on(self, runner: Runner) -> None:
        """Hand on what is pending, and look at the weights, before they are measured or saved."""
        self.flush(runner)
        if runner.iter:
            runner.check_finite()

    def after_train(self, runner: Runner) -> None:
        """Check the last losses."""
        self.flush(runner)

    def flush(self, runner: Runner) -> None:
        """Fetch the pending losses in one transfer, check them, and put them into the log."""
        names = [(i, name) for i, losses in enumerate(self.pending) for name in losses]
        tensors = [torch.as_tensor(v).float() for losses in self.pending for v in losses.values()]
        self.pending = []
        if not tensors:
            return
        fetched: dict[int, dict[str, float]] = {}
        for (index, name), value in zip(names, torch.stack(tensors).tolist(), strict=True):
            fetched.setdefault(index, {})[name] = value
        self._check(fetched, runner)
        for losses in fetched.values():
            for name, value in losses.items():
                runner.message_hub.update_scalar(f"train/{name}", value)

    def _check(self, fetched: dict[int, dict[str, float]], runner: Runner) -> None:
        """Stop all processes if a loss in one of them is not finite."""
        broken = [
            i for i, losses in fetched.items() if not all(map(math.isfinite, losses.values()))
        ]
        flag = torch.tensor(len(broken))
        all_reduce(flag, "max")
        if not flag:
            return
        own = (self.first + broken[0], runner.rank, fetched[broken[0]]) if broken else None
        found = [one for one in all_gather_object(own) if one is not None]
        iteration, rank, losses = min(found, key=lambda one: one[:2])
        shown = ", ".join(f"{name}={value:.4g}" for name, value in losses.items())
        where = f" in process {rank}" if get_world_size() > 1 else ""
        raise TrainingDivergedError(
            f"iteration {iteration + 1}: a loss is not finite{where} ({shown}). Checkpoints in "
            f"{runner.work_dir} are from before. Try a lower learning rate, clip_grad, "
            "or bfloat16 instead of float16."
        )
