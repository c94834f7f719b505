"""Load a config file strictly: what it names must exist, what overrides it must override."""

import inspect
import sys
from pathlib import Path
from typing import Any

from mmengine import Config

from daseg.config.files import import_modules, read_config
from daseg.config.overrides import override
from daseg.config.schedules import ENDS_WITH_TRAINING, schedulers
from daseg.config.validate import validate
from daseg.config.work_dirs import start_in_world
from daseg.plugins import load_plugins
from daseg.utils.errors import ConfigError
from daseg.utils.walk import walk
from daseg.worlds.apply import changes, use_world
from daseg.worlds.load import name_of


def load_config(
    path: str | Path,
    cfg_options: dict[str, Any] | None = None,
    *,
    amp: bool = False,
    compiled: bool = False,
    world: str | None = None,
    show_changes: bool = False,
) -> Config:
    """Read a config with its bases, apply overrides, complete and check it.

    Args:
        path: The config file.
        cfg_options: Overrides by dotted key: ``{"train_cfg.max_iters": 100}``; list items by index.
        amp: Train every network in mixed precision.
        compiled: Train compiled networks: ``model.compiled``.
        world: Run in a small world: its name, as "demo" or "camvid", or the path of its file; see
            `daseg.worlds.apply.use_world`. The overrides come after it.
        show_changes: Print to stderr what the world has changed.

    Raises:
        ConfigError: The file is missing or broken, an override overrides nothing, or anything that
            `daseg.config.validate.validate` finds.
    """
    load_plugins()
    cfg = read_config(Path(path))
    if _changes_world(cfg, world, show_changes):
        _validate(cfg, path)  # a mistake is one in any world, and the switch takes a sound config
        assert world is not None
        _use_world(cfg, world, show_changes)
    if cfg_options:
        override(cfg, cfg_options)
        import_modules(cfg, Path(path))
    if compiled and isinstance(cfg.get("model"), dict):
        cfg.model.compiled = True
    if amp:
        for settings in (cfg.get("optim_wrapper") or {}).values():
            if isinstance(settings, dict):
                settings["type"] = "AmpOptimWrapper"
    for _, node in walk(cfg._cfg_dict):  # a class that is given as a type: so the config has a text
        kind = node.get("type") if isinstance(node, dict) else None
        if inspect.isclass(kind) and kind.__qualname__.isidentifier():
            node["type"] = f"{kind.__module__}.{kind.__qualname__}"
    _validate(cfg, path)
    _complete_schedules(cfg)
    return cfg


def _changes_world(cfg: Config, world: str | None, show: bool) -> bool:
    """Whether a config has to be rewritten for a world; one that a run in it wrote has been."""
    here = cfg.get("world")
    if world is not None and here is not None:
        if name_of(world) != name_of(here):
            raise ConfigError(
                f"--world {world}: {cfg.filename} was written by a run in the world {here!r}: use "
                "the config that the run was started with"
            )
        if show:
            print(f"{cfg.filename} is in the world {here!r} already", file=sys.stderr)
    return world is not None and here is None


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


def _complete_schedules(cfg: Config) -> None:
    """Count schedules in iterations; a decay without an end lasts as long as the training."""
    max_iters = (cfg.get("train_cfg") or {}).get("max_iters")
    for _, scheduler in schedulers(cfg.get("param_scheduler")):
        scheduler.setdefault("by_epoch", False)
        if scheduler["type"] in ENDS_WITH_TRAINING and max_iters:
            scheduler.setdefault("end", max_iters + ENDS_WITH_TRAINING[scheduler["type"]])
