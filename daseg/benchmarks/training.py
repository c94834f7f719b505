"""A train step: AdaptSegNet, Seg-Uncertainty's first stage and CycleGAN.

Ours is the step of the method's config, from random weights; the peer's is its own code, run on the
same images, as many a step. The peers were written for a GPU: where a script cannot be imported,
`daseg.benchmarks.training_peers` drives the networks, losses and optimizers that it imports.
"""

from typing import Any

import torch
from mmengine.optim import OptimWrapperDict

from daseg.api import usable_device
from daseg.benchmarks import training_peers as peers
from daseg.benchmarks.compare import Comparison, Settings, Side
from daseg.benchmarks.worker import Run
from daseg.config.load import load_config
from daseg.engine.optim import OptimizersByNetwork
from daseg.registry import MODELS, did_you_mean
from daseg.segmentor import without_initial_weights
from daseg.utils.errors import ConfigError

OPTIONS = frozenset(("size", "batch", "amp", "inputs", "cfg_options"))
SAME = {"million parameters": 1e-6}
# Method: config, peer, its side, (width, height), batch, targets of time and of memory.
METHODS: dict[str, tuple[Any, ...]] = {
    "adaptsegnet": (
        *("adaptseg/multi_vanilla", "AdaptSegNet", peers.adaptsegnet),
        *((640, 360), 1, 0.80, 0.75),
    ),
    "seg-uncertainty": (
        *("style_transfer/gc_b1", "Seg-Uncertainty", peers.seg_uncertainty),
        *((640, 360), 2, 0.80, None),
    ),
    "cyclegan": (
        *("cyclegan/gta2cityscapes", "pytorch-CycleGAN", peers.cyclegan),
        *((256, 256), 1, 0.80, None),
    ),
}
AMP_TARGET = 0.45


def compare(settings: Settings) -> list[Comparison]:
    """The methods that are named, or all of them.

    Raises:
        ConfigError: There is no such method.
    """
    unknown = [name for name in settings.inputs if name not in METHODS]
    if unknown:
        raise ConfigError(
            f"daseg benchmark train: there is no method {unknown[0]!r}"
            f"{did_you_mean(unknown[0], METHODS)} ({', '.join(METHODS)})"
        )
    return [_comparison(name, settings) for name in settings.inputs or METHODS]


def _comparison(name: str, settings: Settings) -> Comparison:
    config, peer, make, size, batch, target, memory_target = METHODS[name]
    size, batch = settings.size or size, settings.batch or batch
    work = dict(size=size, batch=batch, device=settings.device)
    ours = dict(work, config=config, amp=settings.amp, cfg_options=dict(settings.cfg_options))
    precision = "bfloat16 beside float32" if settings.amp else "float32"
    return Comparison(
        f"train step of {name}, {size[0]}x{size[1]}, batch {batch}, {precision}",
        Side("daseg", _ours, ours),
        settings.peer(peer, make, **work),
        peer,
        target=AMP_TARGET if settings.amp else target,
        memory_target=None if settings.amp else memory_target,
        same=SAME,
    )


def _ours(
    config: str,
    size: tuple[int, int],
    batch: int,
    device: str,
    amp: bool,
    cfg_options: dict[str, Any],
) -> Run:
    """The step of a config, on one batch again and again."""
    cfg = load_config(config, cfg_options, amp=amp)
    torch.manual_seed(0)
    without_initial_weights(cfg.model)
    model = MODELS.build(cfg.model).to(usable_device(device)).train()
    settings = {name: own for name, own in cfg.optim_wrapper.items() if name != "constructor"}
    optimizers: OptimWrapperDict = OptimizersByNetwork(settings)(model)
    source, label, target = peers.images(size, batch)
    data = dict(source=dict(image=source, label=label), target=dict(image=target))
    millions = sum(p.numel() for n in model.trainable_networks().values() for p in n.parameters())

    def run() -> dict[str, float]:
        losses = model.train_step(data, optimizers)
        # The peers print their losses after each step, and so wait for the device.
        values = {name: float(loss) for name, loss in losses.items()}
        return values | {"million parameters": millions / 1e6}

    return run
