"""What a run is, in a few lines at its start."""

from collections.abc import Iterator
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner
from torch import nn

from daseg.utils.versions import device_name, versions
from daseg.utils.wrapping import unwrap


class HeaderHook(Hook):
    """Log versions, device, config, data sets, networks, and where the log file is."""

    priority = "VERY_LOW"

    def before_run(self, runner: Runner) -> None:
        """Log the lines; data sets and networks are built by now."""
        runner.logger.info("\n".join(f"{name:<12}{text}" for name, text in header(runner)))


def header(runner: Runner) -> Iterator[tuple[str, str]]:
    """What a run is: pairs of a name and a text."""
    found = versions()
    names = ("daseg", "python", "torch", "mmengine")
    yield "versions", ", ".join(f"{name} {found[name]}" for name in names if name in found)
    yield "device", _device(runner)
    world = runner.cfg.get("world")
    yield "config", f"{runner.cfg.filename}" + (f" in the world {world!r}" if world else "")
    training = runner._train_loop if isinstance(runner._train_loop, BaseLoop) else None
    if training is not None:
        yield from _training_data(training.dataloader.dataset)
    for name, loop in (("validation", runner._val_loop), ("test", runner._test_loop)):
        if isinstance(loop, BaseLoop):
            yield name, str(loop.dataloader.dataset)
    model: Any = unwrap(runner.model)
    trained = hasattr(model, "trainable_networks")
    networks = model.trainable_networks() if trained else {"segmentor": model}
    yield "networks", ", ".join(f"{name} {_millions(each)}" for name, each in networks.items())
    if training is not None:
        several = f" in each of {runner.world_size} processes" if runner.world_size > 1 else ""
        batch = training.dataloader.batch_size
        yield "training", f"{runner.max_iters} iterations, batches of {batch}{several}"
    yield "log file", str(runner.logger.log_file)


def _device(runner: Runner) -> str:
    device = next(unwrap(runner.model).parameters()).device
    name = device_name(device)
    if device.type == "cpu":
        threads = torch.get_num_threads()
        name += f", {threads} thread{'' if threads == 1 else 's'}"
    return name if runner.world_size == 1 else f"{runner.world_size} x {name}"


def _training_data(dataset: Any) -> Iterator[tuple[str, str]]:
    if not hasattr(dataset, "target"):
        yield "training on", str(dataset)
        return
    yield "source", str(dataset.source)
    yield "target", str(dataset.target)


def _millions(network: nn.Module) -> str:
    parameters = list(network.parameters())
    total = sum(each.numel() for each in parameters)
    frozen = sum(each.numel() for each in parameters if not each.requires_grad)
    text = f"{total / 1e6:.2f} M parameters"
    return text + (f" ({frozen / 1e6:.2f} M frozen)" if frozen else "")
