"""AdaBN as the last step of a training."""

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from daseg.datasets.domain_pair import without_labels
from daseg.datasets.probe.preview import check_whole
from daseg.engine.adabn import adapt_to_images, batch_norms, target_images
from daseg.registry import DATASETS, HOOKS
from daseg.utils.errors import ConfigError


@HOOKS.register_module()
class AdaBNHook(Hook):
    """After the training, measure and keep the network with the target's batch norm statistics.

    Li et al., "Revisiting Batch Normalization For Practical Domain Adaptation", ICLR workshop 2017;
    see `daseg.engine.adabn`. The adapted network is validated (``adabn_mIoU`` in the log) and
    written as ``adabn_iter_N.pth``, weights only. The network itself then gets its own statistics
    back: the run, and every other checkpoint, is what it would be without this hook.

    Args:
        dataset: Data set of the images, with a pipeline of its own. None: the target of the
            `DomainPair` that is trained on, through the validation's pipeline.
        max_images: Take only so many, spread evenly over the data set; None: all.
        batch_size: Images a batch; None: as in the validation.
    """

    priority = "LOW"

    def __init__(
        self,
        dataset: dict[str, Any] | None = None,
        *,
        max_images: int | None = None,
        batch_size: int | None = None,
    ) -> None:
        for name, value in (("max_images", max_images), ("batch_size", batch_size)):
            if value is not None and value < 1:
                raise ConfigError(f"AdaBNHook: {name} is at least 1, not {value}")
        self.dataset = dataset
        self.max_images = max_images
        self.batch_size = batch_size

    def before_train(self, runner: Runner) -> None:
        """Check before the training that the adaptation will be possible after it."""
        batch_norms(_network(runner))
        check_whole(DATASETS.build(self._images(runner)), "AdaBNHook")

    @torch.no_grad()
    def after_train(self, runner: Runner) -> None:
        """Adapt, validate, write; then restore."""
        layers = batch_norms(_network(runner))
        kept = [{n: b.clone() for n, b in layer.named_buffers()} for layer in layers]
        loader = dict(runner.cfg.get("val_dataloader") or {})
        if self.batch_size is not None:
            loader["batch_size"] = self.batch_size
        images = self._images(runner)
        done = adapt_to_images(_network(runner), images, loader, max_images=self.max_images)
        self._measure_and_write(runner, done)
        for layer, buffers in zip(layers, kept, strict=True):
            for name, buffer in layer.named_buffers():
                buffer.copy_(buffers[name])

    def _images(self, runner: Runner) -> dict[str, Any]:
        if self.dataset is not None:
            return without_labels(dict(self.dataset))
        return target_images(runner.cfg, like="val_dataloader")

    def _measure_and_write(self, runner: Runner, done: str) -> None:
        step = runner.train_loop.done
        name = f"adabn_iter_{step}.pth"
        runner.save_checkpoint(
            runner.work_dir,
            name,
            save_optimizer=False,
            save_param_scheduler=False,
            meta=dict(batch_norm=done),
        )
        measured = {f"adabn_{key}": value for key, value in _validate(runner).items()}
        if measured:
            runner.visualizer.add_scalars(measured, step=step)
        shown = ", ".join(f"{key} {value:.2f}" for key, value in measured.items())
        runner.logger.info(f"{done}: {shown or 'not validated'}; written to {name}")


def _network(runner: Runner) -> Any:
    return runner.bare_model.evaluated_network


def _validate(runner: Runner) -> dict[str, float]:
    """Validate without the hooks, which would take the result for the training's."""
    loop = runner.val_loop
    if loop is None:
        return {}
    runner.model.eval()
    for batch in loop.dataloader:
        samples = runner.model.val_step(batch)
        loop.evaluator.process(data_samples=samples, data_batch=batch)
    return loop.evaluator.evaluate(len(loop.dataloader.dataset))
