"""Rewrite a config for a small world: ``--world demo``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine import Config, ConfigDict

from daseg.config.schedules import schedulers
from daseg.config.validate import RUNNER_KEYS
from daseg.utils.errors import ConfigError
from daseg.worlds.data import world_loader
from daseg.worlds.load import load_world
from daseg.worlds.parts import shrink
from daseg.worlds.world import World


def use_world(cfg: Config, name: str | Path) -> None:
    """Rewrite a config, its bases merged, for a small world.

    Data sets, sizes of images and windows, and batches become the world's (`daseg.worlds.data`);
    parts, and all that counts iterations, what its table says (`daseg.worlds.parts`). Heads,
    objectives, losses and their weights, and optimizers stay, unless the table names them. Helper
    variables of the config are left out, since they have been computed with. Where it goes on from
    a checkpoint, see `daseg.config.work_dirs.start_in_world`.

    Args:
        cfg: The config; changed in place.
        name: Name of a world, or path of its file; see `daseg.worlds.load`.

    Raises:
        ConfigError: There is no such world, or the config does not fit it: it is of this world
            already, has other data sets, or states something for each of another number of classes.
    """
    try:
        changed = ConfigDict(_rewritten(cfg._cfg_dict.to_dict(), load_world(name)))
    except ConfigError as error:
        raise ConfigError(f"--world {name}: {error}") from None
    for key in list(cfg):
        if key not in changed:
            cfg.pop(key)
    for key, value in changed.items():
        cfg[key] = value


def _rewritten(cfg: dict[str, Any], world: World) -> dict[str, Any]:
    cfg = {key: value for key, value in cfg.items() if key in RUNNER_KEYS}
    world = world.with_model((cfg.get("model") or {}).get("type"))
    for split in ("train", "val", "test"):
        loader = cfg.get(f"{split}_dataloader")
        if loader and "dataset" in loader:
            cfg[f"{split}_dataloader"] = world_loader(loader, split, world)
    length = (cfg.get("train_cfg") or {}).get("max_iters")
    _change_rates(cfg, world)
    shrink(cfg, world, world.max_iters / length if length else None)
    return cfg


def _change_rates(cfg: dict[str, Any], world: World) -> None:
    """Let all of the segmentor learn as fast as its heads; scale the rates of other networks.

    Only the parts that the world names are faster than the rest.
    """
    networks = cfg.get("optim_wrapper") or {}
    if "segmentor" in networks:
        optimizer = networks["segmentor"]["optimizer"]
        factors = networks["segmentor"].pop("lr_mult", {}).values()
        networks["segmentor"].pop("decay_mult", None)  # names parts of a backbone that is replaced
        is_adam = "Adam" in optimizer["type"]
        least, highest = (
            (0.0, world.highest_adam_lr) if is_adam else (world.least_lr, world.highest_lr)
        )
        optimizer["lr"] = min(max(optimizer["lr"] * max([1, *factors]), least), highest)
        if world.lr_mult and not is_adam:
            networks["segmentor"]["lr_mult"] = dict(world.lr_mult)
        of_all = cfg.get("param_scheduler") or {}
        own = of_all.get("segmentor", []) if isinstance(of_all, dict) else of_all
        if any(scheduler["type"] in world.warm_ups for _, scheduler in schedulers(own)):
            optimizer["lr"] = highest
    for name in networks.keys() & world.lr_factors.keys():
        networks[name]["optimizer"]["lr"] *= world.lr_factors[name]


def changes(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What a world has changed, a line for each value: ``place: old -> new``."""
    old, new = dict(_values(before)), dict(_values(after))
    lines = []
    for key in {**old, **new}:
        if key.split(".")[0] in RUNNER_KEYS and old.get(key, "-") != new.get(key, "-"):
            lines.append(f"  {key}: {old.get(key, '-')} -> {new.get(key, '-')}")
    return "\n".join(lines)


def _values(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value below a node that holds no dict, with its place."""
    holds_dicts = isinstance(node, (list, tuple)) and any(isinstance(c, dict) for c in node)
    if isinstance(node, dict) or holds_dicts:
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _values(child, f"{path}.{key}".lstrip("."))
    else:
        yield path, tuple(node) if isinstance(node, list) else node
