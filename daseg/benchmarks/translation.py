"""A translation by a network: the whole image, and the same in tiles."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from daseg.api import usable_device
from daseg.benchmarks.compare import Comparison, Settings, Side
from daseg.benchmarks.worker import Run
from daseg.config.load import load_config
from daseg.offline.translation.translators import trained_translation
from daseg.utils.errors import ConfigError

OPTIONS = frozenset(("size", "tile", "inputs", "world", "cfg_options"))


def compare(settings: Settings) -> list[Comparison]:
    """The whole image; with ``tile``, tiles beside the whole.

    Raises:
        ConfigError: No config is given, or more than a config and a checkpoint.
    """
    if len(settings.inputs) not in (1, 2):
        raise ConfigError("daseg benchmark translate: give a config, or a config and a checkpoint")
    width, height = settings.size or (1024, 512)
    arguments = dict(
        config=settings.inputs[0],
        checkpoint=(*settings.inputs, None)[1],
        size=(width, height),
        device=settings.device,
        world=settings.world,
        cfg_options=dict(settings.cfg_options),
    )
    name = f"translation of {width}x{height}"
    whole = Side("whole", translation, dict(arguments, tile=None))
    if settings.tile is None:
        return [Comparison(name, whole)]
    tiles = Side(f"tiles of {settings.tile}", translation, dict(arguments, tile=settings.tile))
    return [Comparison(f"{name}, in {tiles.name}", tiles, whole)]


def translation(
    config: str,
    checkpoint: str | None,
    size: tuple[int, int],
    tile: int | None,
    device: str,
    world: str | None = None,
    cfg_options: dict[str, Any] | None = None,
) -> Run:
    """One translation of an image of noise; it returns its ``gmacs``.

    Args:
        config: A config of a `CycleGAN`.
        checkpoint: Its weights; None: random ones, which are as fast.
        size: (width, height) of the image.
        tile: Side of the tiles; None: the whole image at once.
        device: Where it runs.
        world: Take the config as it is in a small world.
        cfg_options: Overrides by dotted key.
    """
    cfg = load_config(config, dict(cfg_options or {}), world=world)
    weights = None if checkpoint is None else Path(checkpoint)
    place = usable_device(device)
    run = trained_translation(cfg, weights, device=place, tile=tile)
    generator = torch.Generator().manual_seed(0)
    width, height = size
    image = torch.randint(256, (1, 3, height, width), generator=generator, dtype=torch.uint8)
    gmacs = count_macs(run, image) / 1e9

    def once() -> dict[str, float]:
        with torch.no_grad():
            run(image).cpu()
        return dict(gmacs=gmacs)

    return once


def count_macs(run: Callable[[Tensor], Tensor], image: Tensor) -> int:
    """Multiplications with addition of one run; torch counts both, and so twice as many."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run(image)
    return counter.get_total_flops() // 2
