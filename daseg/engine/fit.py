"""Batches and crops of a config that fit into a memory: what ``daseg fit`` does."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from prettytable import PrettyTable

from daseg.config.load import load_config
from daseg.engine.class_check import names_in_config
from daseg.engine.memory import GIB, RESERVE, MemoryModel, fit_model, sizes_of
from daseg.engine.optim import OptimizersByNetwork
from daseg.registry import MODELS
from daseg.segmentor import without_initial_weights
from daseg.utils.errors import ConfigError


def fit(
    config: str | Path,
    *,
    size: tuple[int, int] | None = None,
    amp: bool = False,
    device: str = "cpu",
    world: str | None = None,
    cfg_options: Mapping[str, Any] | None = None,
) -> MemoryModel:
    """The model of the memory of a config's train step.

    Args:
        config: A config of a `DomainAdapter`.
        size: (width, height) of the images of both domains; None: as its pipelines end.
        amp: In mixed precision.
        device: Where the small steps are made; the model is of tensors, which are of the same
            sizes everywhere.
        world: Take the config as it is in a small world.
        cfg_options: Overrides by dotted key.

    Raises:
        ConfigError: The config is wrong, trains no segmentor, or does not state a size.
    """
    cfg = load_config(config, dict(cfg_options or {}), amp=amp, world=world)
    if not cfg.get("train_dataloader") or "segmentor" not in (cfg.get("model") or {}):
        raise ConfigError(f"{config}: daseg fit is for configs that train a segmentor")
    data = cfg.train_dataloader.dataset
    domains = [d for d in ("source", "target") if data.get(d) is not None] or ["source"]
    sizes = sizes_of(cfg) if size is None else dict.fromkeys(domains, size)
    without_initial_weights(cfg.model)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).to(device).train()
    if names := names_in_config(cfg, "train_dataloader"):
        model.use_classes(names)
    model.iteration.fill_(cfg.train_cfg.max_iters - 1)  # where all objectives have begun
    wrappers = {k: own for k, own in cfg.optim_wrapper.items() if k != "constructor"}
    count = min(2, cfg.train_dataloader.batch_size)
    return fit_model(model, OptimizersByNetwork(wrappers)(model), sizes, count)


def table(model: MemoryModel, memories: Sequence[float]) -> str:
    """For each memory in GiB the largest batch, and the largest crop of batches of 1 and 2."""
    head = ["memory", "largest batch", "largest images, batch 1", "largest images, batch 2"]
    rows = PrettyTable(head, align="l")
    for memory in memories:
        images = model.images(max(0.0, memory * GIB - RESERVE))
        crops = []
        for sizes in (model.crop(images, batch).values() for batch in (1, 2)):
            crops.append(" + ".join(f"{w}x{h}" if min(w, h) > 0 else "none" for w, h in sizes))
        rows.add_row([f"{memory:g} GiB", int(images) or "none fits", *crops])
    whole = ", ".join(f"{domain} {w}x{h}" for domain, (w, h) in model.sizes.items())
    return "\n".join(
        [
            f"images of {whole}; a batch counts the images of each domain",
            f"a step takes {model.bytes(0) / GIB:.2f} GiB without images, and "
            f"{(model.bytes(1) - model.bytes(0)) / GIB:.2f} GiB for the first of each domain",
            rows.get_string(),
        ]
    )
