"""The training loop: iterations over an endless, resumable stream of batches."""

from typing import Any

import torch
from mmengine.dist import barrier, get_rank
from mmengine.runner import BaseLoop, Runner
from mmengine.runner import TestLoop as MMTestLoop
from mmengine.runner import ValLoop as MMValLoop
from mmengine.runner.loops import _parse_losses
from torch.utils.data import DataLoader

from daseg.engine.checkpoint import save_now
from daseg.engine.distributed import follow_first_process
from daseg.engine.further_sets import Sets, build_sets, measure, write_cards
from daseg.engine.prefetch import Prefetcher
from daseg.engine.stopping import Stopping, all_or_none
from daseg.registry import LOOPS
from daseg.utils import signals
from daseg.utils.errors import ConfigError
from daseg.utils.seed import seed_everything
from daseg.utils.signals import Stopped
from daseg.utils.workers import workers_of
from daseg.visualization.figures import draw_matrices

VALIDATING = "val_dataloader (or train_dataloader, whose processes wait meanwhile)"


@LOOPS.register_module()
class IterTrainLoop(BaseLoop):
    """Train for a number of iterations; start again where a checkpoint ended, exactly.

    mmengine's own loop reads and throws away every batch up to the iteration it resumes at, and
    starts the random numbers from the beginning. Here the sampler starts at its position, and
    every iteration seeds its own random numbers (dropout and the like) from the run's seed, the
    iteration and the rank, so that a resumed run equals an uninterrupted one.

    Before the batch of an iteration is fetched, hooks are called by ``before_train_batch(runner)``:
    they may change what the data set gives, and then call `restart_batches`. Before a validation, a
    making of pseudo-labels and a checkpoint they are called by ``hand_on(runner)``: what they keep
    to themselves has to go where checkpoints take it from.

    A signal that asks to stop (`daseg.utils.signals`) lets the iteration end, or ends a validation
    or a making of pseudo-labels early; a checkpoint of the iterations done is written if there is
    none yet, and `Stopped` raised. Several processes stop together.

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
        self._batches: Prefetcher | None = None
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
        stopping = Stopping()
        try:
            with signals.gently(), signals.asking(stopping.requested):
                self._iterate(stopping)
        except Stopped as stop:
            self._batches = None
            if stop.at_once:  # in the midst of a step, perhaps
                raise
            self._leave(stop)
            raise Stopped(stop.number, told=True) from None
        self._batches = None  # its workers end
        follow_first_process(runner.model)
        runner.call_hook("after_train_epoch")
        runner.call_hook("after_train")

    def _iterate(self, stopping: Stopping) -> None:
        runner = self.runner
        self._validate()  # a resumed run may have been stopped before it could
        while self._iter < self.max_iters and not self.stop_training:
            runner.call_hook("before_train_batch")
            batch = self._next_batch()
            runner.model.train()
            self.run_iter(batch)
            number = stopping.due(self._iter)
            if number is not None:
                raise Stopped(number)
            self._validate()

    def _leave(self, stop: Stopped) -> None:
        """Save what is not on the disk, and say so; the first process does."""
        text = "before the first iteration: --resume begins"
        if self.done:
            path = save_now(self.runner)
            text = f"after iteration {self.done}: {path.name} is saved, --resume goes on from it"
        self.runner.logger.info(f"{stop} {text}")
        self.runner.visualizer.close()
        barrier()  # a launcher ends the others when the first process has gone

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
                    batches = iter(self.dataloader)
                preprocessor = self.runner.bare_model.data_preprocessor
                self._batches = Prefetcher(batches, preprocessor.cast_data, preprocessor.device)
            return next(self._batches)

    def _read_ahead(self) -> None:
        """Let the next batch be copied to the GPU while it computes; it is the workers' work."""
        if self._batches and self.dataloader.num_workers and self._iter < self.max_iters:
            with workers_of("train_dataloader"):
                self._batches.read_ahead()

    def _validate(self) -> None:
        """Validate at the interval, and at the end."""
        due = self._iter == self.max_iters or self._iter % self.val_interval == 0
        if self.runner.val_loop is not None and self._iter > 0 and due:
            follow_first_process(self.runner.model)
            self.runner.call_hook("hand_on")
            with workers_of(VALIDATING, "--cfg-options val_dataloader.num_workers"):
                self.runner.val_loop.run()

    def run_iter(self, data_batch: dict[str, Any]) -> None:
        """Make one train step, with the hooks around it, which see the loader's batch."""
        runner, place = self.runner, dict(batch_idx=self._iter, data_batch=data_batch)
        runner.call_hook("before_train_iter", **place)
        seed_everything(runner.seed, self._iter, get_rank())
        copied = self._batches.copied if self._batches else data_batch
        outputs = runner.model.train_step(copied, optim_wrapper=runner.optim_wrapper)
        self.done = self._iter + 1
        runner.call_hook("after_train_iter", **place, outputs=outputs)
        self._iter += 1
        self._read_ahead()


@LOOPS.register_module()
class ValLoop(MMValLoop):
    """mmengine's validation loop, which a signal that asks to stop ends early.

    Args:
        runner: The runner.
        dataloader: The dataloader or its config.
        evaluator: The metrics or their configs.
        fp16: Whether the networks run in mixed precision.
        sets: Further sets of images by name, each measured by itself, such as
            ``dict(rain=dict(conditions=["rain"]))``: see `build_sets`. Their metrics have the
            name in front (``rain_mIoU``); table and card of each are in a folder of its name, below
            the metric's ``out_dir``, or ``validation`` in the work dir.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict[str, Any],
        evaluator: Any,
        fp16: bool = False,
        sets: Sets | None = None,
    ) -> None:
        super().__init__(runner, dataloader, evaluator, fp16)
        self.sets = build_sets(runner, "val", sets or {})

    def run(self) -> dict[str, float]:
        """Validate; return the metrics.

        Raises:
            Stopped: A signal has ended it; in all processes.
        """
        runner = self.runner
        runner.call_hook("before_val")
        runner.call_hook("before_val_epoch")
        runner.model.eval()
        self.val_loss.clear()
        with all_or_none():
            for index, batch in enumerate(self.dataloader):
                self.run_iter(index, batch)
                signals.check()
        metrics = self.evaluator.evaluate(len(self.dataloader.dataset))
        draw_matrices(self.evaluator.metrics)
        if self.val_loss:  # of a model that gives losses in validation
            metrics.update(_parse_losses(self.val_loss, "val"))
        for one in self.sets:
            metrics |= measure(one, runner.model.val_step, fp16=self.fp16)
            draw_matrices(one.evaluator.metrics)
        write_cards(runner, self.sets)
        runner.call_hook("after_val_epoch", metrics=metrics)
        runner.call_hook("after_val")
        return metrics


@LOOPS.register_module()
class TestLoop(MMTestLoop):
    """mmengine's test loop, which also measures further sets of images, each by itself.

    Args:
        runner: The runner.
        dataloader: The dataloader or its config.
        evaluator: The metrics or their configs.
        fp16: Whether the networks run in mixed precision.
        sets: As those of `ValLoop`. ``daseg test`` writes the table and the card of each into a
            folder of its name.
    """

    __test__ = False  # pytest takes a class of this name for a group of tests

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict[str, Any],
        evaluator: Any,
        fp16: bool = False,
        sets: Sets | None = None,
    ) -> None:
        super().__init__(runner, dataloader, evaluator, fp16)
        self.sets = build_sets(runner, "test", sets or {})

    def run(self) -> dict[str, float]:
        """Test; return the metrics."""
        metrics: dict[str, float] = super().run()
        for one in self.sets:
            metrics |= measure(one, self.runner.model.test_step, fp16=self.fp16)
        return metrics
