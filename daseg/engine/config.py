"""Load a config file strictly: what it names must exist, what overrides it must override."""

import re
import sys
from pathlib import Path
from typing import Any

from mmengine import Config

from daseg.engine.config_files import read_config
from daseg.engine.validate import RUNNER_KEYS, schedulers, validate
from daseg.engine.work_dirs import start_in_world
from daseg.engine.worlds import changes, use_world
from daseg.plugins import load_plugins
from daseg.registry import did_you_mean
from daseg.utils.errors import ConfigError

# Dicts without a type that take keys which a config need not state.
OPEN = re.compile(r"\w+_dataloader|optim_wrapper\.\w+(\.lr_mult)?|randomness|env_cfg")


def load_config(
    path: str | Path,
    cfg_options: dict[str, Any] | None = None,
    *,
    amp: bool = False,
    world: str | None = None,
    show_changes: bool = False,
) -> Config:
    """Read a config with its bases, apply overrides, complete and check it.

    Args:
        path: The config file.
        cfg_options: Overrides by dotted key: ``{"train_cfg.max_iters": 100}``; list items by index.
        amp: Train every network in mixed precision.
        world: "demo" or "camvid": run in a small world, see `daseg.engine.worlds.use_world`. The
            overrides come after it.
        show_changes: Say on stderr what the world has changed.

    Raises:
        ConfigError: The file is missing or broken, an override overrides nothing, or anything that
            `daseg.engine.validate.validate` finds.
    """
    load_plugins()
    cfg = read_config(Path(path))
    if world is not None:
        _validate(cfg, path)  # a mistake is one in any world, and the switch takes a sound config
        _use_world(cfg, world, show_changes)
    if cfg_options:
        _check_options(cfg, cfg_options)
        cfg.merge_from_dict(cfg_options)
    if amp:
        _use_amp(cfg)
    _validate(cfg, path)
    _complete_schedules(cfg)
    return cfg


def _validate(cfg: Config, path: str | Path) -> None:
    try:
        validate(cfg._cfg_dict)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _use_world(cfg: Config, world: str, show_changes: bool) -> None:
    real = cfg._cfg_dict.to_dict()
    use_world(cfg, world)
    if cfg.get("load_from") and cfg.get("train_cfg"):
        length = cfg.train_cfg.max_iters
        cfg.load_from = start_in_world(cfg.load_from, Path(cfg.filename), world, length)
    if show_changes:
        title = f"--world {world} has changed in {cfg.filename}:"
        print(f"{title}\n{changes(real, cfg._cfg_dict.to_dict())}\n", file=sys.stderr)


def _use_amp(cfg: Config) -> None:
    for settings in (cfg.get("optim_wrapper") or {}).values():
        if isinstance(settings, dict):
            settings["type"] = "AmpOptimWrapper"


def _check_options(cfg: Config, options: dict[str, Any]) -> None:
    for key in options:
        node: Any = cfg._cfg_dict
        *parents, leaf = key.split(".")
        _check_is_read(cfg, key)
        for depth, name in enumerate(parents):
            node = _child(node, name, key, ".".join(parents[:depth]))
        _check_leaf(node, leaf, key, ".".join(parents))


def _child(node: Any, name: str, key: str, place: str) -> Any:
    if isinstance(node, (list, tuple)):
        if re.fullmatch(r"\d+", name) and int(name) < len(node):
            return node[int(name)]
        raise ConfigError(
            f"--cfg-options {key}: {place} is a list of {len(node)}; give an index below that"
        )
    if isinstance(node, dict) and name in node:
        return node[name]
    known = list(node) if isinstance(node, dict) else []
    raise ConfigError(
        f"--cfg-options {key}: overrides nothing, {place or 'the config'} has no {name!r}"
        f"{did_you_mean(name, known) or _known(known)}"
    )


def _check_is_read(cfg: Config, key: str) -> None:
    top = key.split(".")[0]
    if top in cfg and top not in RUNNER_KEYS:
        raise ConfigError(
            f"--cfg-options {key}: {top!r} is a helper variable that the config has computed with "
            "already, so that a new value changes nothing: override the keys it is used for "
            "(--print-config shows them)"
        )


def _check_leaf(node: Any, leaf: str, key: str, place: str) -> None:
    if isinstance(node, dict) and ("type" in node or OPEN.fullmatch(place)):
        return  # a new argument of a part; the check of the whole config knows what it takes
    if place or leaf not in RUNNER_KEYS:
        _child(node, leaf, key, place)


def _known(names: list[str]) -> str:
    return f" (it has {', '.join(map(str, names))})" if names else ""


def _complete_schedules(cfg: Config) -> None:
    """Count schedules in iterations, and let a polynomial one end with the training.

    mmengine counts epochs where ``by_epoch`` is not stated, and its PolyLR ends one step early:
    with ``end = max_iters + 1`` the factor of iteration i is ``(1 - i / max_iters) ** power``.
    """
    max_iters = (cfg.get("train_cfg") or {}).get("max_iters")
    for _, scheduler in schedulers(cfg.get("param_scheduler")):
        scheduler.setdefault("by_epoch", False)
        if scheduler["type"] == "PolyLR" and max_iters:
            scheduler.setdefault("end", max_iters + 1)
