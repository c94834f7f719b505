"""The training loop: iterations over an endless, resumable stream of batches."""

from collections.abc import Iterator
from typing import Any

import torch
from mmengine.dist import get_rank
from mmengine.runner import BaseLoop, Runner
from torch.utils.data import DataLoader

from daseg.engine.distributed import follow_first_process
from daseg.registry import LOOPS
from daseg.utils.errors import ConfigError
from daseg.utils.seed import seed_everything
from daseg.utils.workers import workers_of


@LOOPS.register_module()
class IterTrainLoop(BaseLoop):
    """Train for a number of iterations; start again where a checkpoint ended, exactly.

    mmengine's own loop reads and throws away every batch up to the iteration it resumes at, and
    starts the random numbers from the beginning. Here the sampler starts at its position, and
    every iteration seeds its own random numbers (dropout and the like) from the run's seed, the
    iteration and the rank, so that a resumed run equals an uninterrupted one.

    Before the batch of an iteration is fetched, hooks are called by ``before_train_batch(runner)``:
    they may change what the data set gives, and then call `restart_batches`.

    Args:
        runner: The runner.
        dataloader: The dataloader or its config; its sampler needs ``start_at(position)``.
        max_iters: Number of iterations.
        val_interval: Iterations between validations; the last iteration always validates.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict[str, Any],
        max_iters: int,
        val_interval: int = 1000,
    ) -> None:
        super().__init__(runner, dataloader)
        self.max_iters = max_iters
        self.max_epochs = 1  # asked for by mmengine's hooks
        self.epoch = self._epoch = 0
        self._batches: Iterator[dict[str, Any]] | None = None
        self.start_at(0)
        self.val_begin = 1
        self.val_interval = val_interval
        self.stop_training = False  # set by mmengine's EarlyStoppingHook
        if not hasattr(self.dataloader.sampler, "start_at"):
            raise ConfigError(
                "train_dataloader.sampler: "
                f"{type(self.dataloader.sampler).__name__} cannot start at a position, which an "
                "exact resume needs: use dict(type='EndlessSampler')"
            )

    @property
    def iter(self) -> int:
        """Number of iterations done."""
        return self._iter

    def start_at(self, iteration: int) -> None:
        """Go on after so many iterations; for ``Runner.resume``."""
        self._iter = iteration
        self.done = iteration  # train steps made; `iter` counts on only after the hooks

    def run(self) -> None:
        """Train until ``max_iters``."""
        runner = self.runner
        runner.call_hook("before_train")
        runner.call_hook("before_train_epoch")
        self._validate()  # a resumed run may have been stopped before it could
        while self._iter < self.max_iters and not self.stop_training:
            runner.call_hook("before_train_batch")
            batch = self._next_batch()
            runner.model.train()
            self.run_iter(batch)
            self._validate()
        self._batches = None  # its workers end
        follow_first_process(runner.model)
        runner.call_hook("after_train_epoch")
        runner.call_hook("after_train")

    def restart_batches(self) -> None:
        """Let the next batch be read from the data set as it is now; which images it has stays.

        Workers hold copies of the data set: they end, what they have read ahead is lost, and new
        ones start.
        """
        self._batches = None
        self.dataloader._iterator = None  # where persistent workers are kept

    def _next_batch(self) -> dict[str, Any]:
        with workers_of("train_dataloader"):
            if self._batches is None:
                world_batch = self.dataloader.batch_size * self.runner.world_size
                self.dataloader.sampler.start_at(self._iter * world_batch)
                with torch.random.fork_rng(devices=[]):  # the workers' seed is drawn
                    self._batches = iter(self.dataloader)
            return next(self._batches)

    def _validate(self) -> None:
        """Validate where it is due: at the interval, and at the end."""
        due = self._iter == self.max_iters or self._iter % self.val_interval == 0
        if self.runner.val_loop is not None and self._iter > 0 and due:
            follow_first_process(self.runner.model)
            with workers_of("val_dataloader"):
                self.runner.val_loop.run()

    def run_iter(self, data_batch: dict[str, Any]) -> None:
        """Make one train step, with the hooks around it."""
        runner, place = self.runner, dict(batch_idx=self._iter, data_batch=data_batch)
        runner.call_hook("before_train_iter", **place)
        seed_everything(runner.seed, self._iter, get_rank())
        outputs = runner.model.train_step(data_batch, optim_wrapper=runner.optim_wrapper)
        self.done = self._iter + 1
        runner.call_hook("after_train_iter", **place, outputs=outputs)
        self._iter += 1
