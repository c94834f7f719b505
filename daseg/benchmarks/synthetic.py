"""Models of configs with random weights, and batches of noise: as fast as real ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import MessageHub

from daseg.config.load import load_config
from daseg.engine.class_check import names_in_config
from daseg.engine.optim import OptimizersByNetwork
from daseg.registry import MODELS
from daseg.segmentor import without_initial_weights


def training_of(
    config: str | Path,
    *,
    device: str = "cpu",
    world: str | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    amp: str | None = None,
) -> tuple[Any, Any]:
    """The model of a config in training mode, without pretrained weights, and its optimizers.

    Args:
        config: A config that trains.
        device: Where the model is.
        world: Take the config as it is in a small world.
        cfg_options: Overrides by dotted key.
        amp: Autocast to "bfloat16" or "float16".
    """
    cfg = load_config(config, dict(cfg_options or {}), world=world)
    without_initial_weights(cfg.model)
    wrappers = {k: dict(own) for k, own in cfg.optim_wrapper.items() if isinstance(own, dict)}
    for own in wrappers.values():
        own |= dict(type="AmpOptimWrapper", dtype=amp) if amp else {}
    hub = MessageHub.get_current_instance()  # where parts read the place of their random draws
    hub.update_info("iter", 0)
    hub.update_info("seed", 0)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).to(device).train()
    names = names_in_config(cfg, "train_dataloader")
    if names and hasattr(model, "use_classes"):
        model.use_classes(names)
    return model, OptimizersByNetwork(wrappers)(model)


def classes_of_model(model: Any) -> int:
    """Classes of the segmentor; 19 where there is none."""
    return getattr(getattr(model, "segmentor", None), "num_classes", 19)


def noise(count: int, size: tuple[int, int], classes: int, *, pin: bool = False) -> dict[str, Any]:
    """A batch as the loader gives it: ``image`` (N,3,H,W) uint8, ``label`` (N,H,W) int64.

    Args:
        count: N.
        size: (width, height).
        classes: Number of classes.
        pin: In pinned memory.
    """
    width, height = size
    generator = torch.Generator().manual_seed(0)
    shape = (count, 3, height, width)
    image = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    label = torch.randint(0, classes, (count, height, width), generator=generator)
    return {k: v.pin_memory() if pin else v for k, v in dict(image=image, label=label).items()}


def pair(source: dict[str, Any], target: dict[str, Any] | None = None) -> dict[str, Any]:
    """The batch of a `DomainPair`: the target, by default the source's images, has no label."""
    return dict(source=source, target=dict(image=(target or source)["image"]))
