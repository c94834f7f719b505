"""A translation by a network: the whole image, the same by the public code, and in tiles."""

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from daseg.api import usable_device
from daseg.benchmarks.compare import Comparison, Settings, Side
from daseg.benchmarks.peers import peer_module
from daseg.benchmarks.worker import Run
from daseg.config.load import load_config
from daseg.offline.translation.translators import trained_translation
from daseg.utils.errors import ConfigError

OPTIONS = frozenset(("size", "tile", "inputs", "world", "cfg_options"))


def compare(settings: Settings) -> list[Comparison]:
    """The whole image beside CycleGAN's public code; with ``tile``, tiles beside the whole.

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
        work = dict(size=(width, height), device=settings.device)
        peer = settings.peer("pytorch-CycleGAN", cyclegan_translation, **work)
        return [Comparison(name, whole, peer, "pytorch-CycleGAN", same=dict(gmacs=1e-6))]
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
    return _timed(trained_translation(cfg, weights, device=place, tile=tile), size)


def cyclegan_translation(path: str, size: tuple[int, int], device: str) -> Run:
    """The same by the public code's generator with its defaults; it returns its ``gmacs``."""
    place = usable_device(device)
    networks = peer_module(path, "models.networks")
    with redirect_stdout(io.StringIO()):
        network = networks.define_G(3, 3, 64, "resnet_9blocks", norm="instance").to(place)
    return _timed(lambda image: 127.5 * (network(image.to(place) / 127.5 - 1) + 1), size)


def _timed(translate: Callable[[Tensor], Tensor], size: tuple[int, int]) -> Run:
    generator = torch.Generator().manual_seed(0)
    width, height = size
    image = torch.randint(256, (1, 3, height, width), generator=generator, dtype=torch.uint8)
    gmacs = count_macs(translate, image) / 1e9

    def once() -> dict[str, float]:
        with torch.no_grad():
            translate(image).cpu()
        return dict(gmacs=gmacs)

    return once


def count_macs(run: Callable[[Tensor], Tensor], image: Tensor) -> int:
    """Multiplications with addition of one run; torch counts both, and so twice as many."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run(image)
    return counter.get_total_flops() // 2
