"""Check the dicts of a config that are not parts: their keys and their numbers."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from mmengine import Config
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from daseg.config.argument_types import describe, wrong_types
from daseg.registry import did_you_mean
from daseg.utils.annotations import fits
from daseg.utils.errors import ConfigError

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
DICTS = (*LOADERS, *"model train_cfg val_cfg test_cfg optim_wrapper default_hooks".split())
DICTS += ("randomness", "env_cfg", "log_processor", "visualizer", "tta", "custom_imports")
# What else has no type of its own to say what it may be.
SETTINGS: dict[str, Any] = {
    "log_level": Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
    "load_from": str | Path | None,
    "work_dir": str | Path | None,
    "prepared": str | Path | None,
    "resume": bool,
    "sync_bn": bool | None,
    "compile": bool | dict | None,
    "custom_hooks": list | None,
    "param_scheduler": dict | list | None,
    "val_evaluator": dict | list | None,
    "test_evaluator": dict | list | None,
    "default_scope": Literal["daseg"],
    "custom_imports.imports": str | list[str],
    "env_cfg.cudnn_benchmark": bool,
    "env_cfg.mp_cfg.mp_start_method": Literal["fork", "spawn", "forkserver"],
}
# A loop, and what it needs beside its loader.
LOOPS = dict(
    train=("train_dataloader", "train_cfg", "optim_wrapper"),
    val=("val_dataloader", "val_cfg", "val_evaluator"),
    test=("test_dataloader", "test_cfg", "test_evaluator"),
)
LOADER_KEYS = frozenset(inspect.signature(DataLoader.__init__).parameters) - {"self"}
# Of one network's optimizer, beside the keys of the wrapper; see `daseg.engine.optim`.
GROUP_KEYS = ("lr_mult", "decay_mult", "layer_decay", "no_norm_decay")
NETWORK_KEYS = ("optimizer", *GROUP_KEYS, "emulate_duplicate_groups")
# What mmengine would leave to chance, or fail on.
LOADER_NEEDS = dict(
    dataset="for example dict(type='GTA5', root=...)",
    sampler="use dict(type='DefaultSampler', shuffle=False)",
    collate_fn="use dict(type='collate')",
)
KEYS: dict[str, frozenset[str]] = {
    **dict.fromkeys(LOADERS, LOADER_KEYS),
    "randomness": frozenset(inspect.signature(Runner.set_randomness).parameters) - {"self"},
    "env_cfg": frozenset(("cudnn_benchmark", "mp_cfg", "dist_cfg", "resource_limit")),
    "env_cfg.mp_cfg": frozenset(("mp_start_method", "opencv_num_threads")),
    # The backend follows from the machine: NCCL with GPUs, else gloo.
    "env_cfg.dist_cfg": frozenset(("timeout",)),
}
# The smallest legal value of what has to be a whole number.
WHOLE_NUMBERS = {
    "train_cfg.max_iters": 1,
    "train_cfg.val_interval": 1,
    **{f"{loader}.batch_size": 1 for loader in LOADERS},
    **{f"{loader}.num_workers": 0 for loader in LOADERS},
    "env_cfg.dist_cfg.timeout": 1,
    "env_cfg.mp_cfg.opencv_num_threads": 0,
    "randomness.seed": 0,
}
LARGEST_SEED = 2**32 - 1  # numpy's


def wrong_shapes(cfg: dict[str, Any]) -> Iterator[str]:
    """Top-level keys whose value is neither a dict nor None."""
    for key in DICTS:
        if not isinstance(cfg.get(key), (dict, type(None))):
            yield f"{key}: has to be a dict, not {cfg[key]!r}"


def wrong_settings(cfg: dict[str, Any]) -> Iterator[str]:
    """Report unknown keys, missing keys, and numbers that are not whole or out of range."""
    for path, legal in KEYS.items():
        yield from _unknown_keys(_look_up(cfg, path), path, legal)
    for loader in LOADERS:
        # Without its loop a loader is only looked at, by the tools for data.
        if cfg.get(loader) and cfg.get(loader.replace("dataloader", "cfg")):
            yield from _missing_keys(cfg[loader], loader)
            yield from _unusable(cfg[loader], loader)
        given = {
            k: v for k, v in (cfg.get(loader) or {}).items() if k not in ("dataset", "sampler")
        }
        for key, problem in wrong_types(given, DataLoader):
            if f"{loader}.{key}" not in WHOLE_NUMBERS:
                yield f"{loader}.{key}: {problem}"
    for path, kind in SETTINGS.items():
        for value in _values(cfg, path):
            if not fits(value, kind):
                yield f"{path}: has to be {describe(kind)}, not {value!r}"
    for path, least in WHOLE_NUMBERS.items():
        for value in _values(cfg, path):
            if not _is_whole(value, least) and (path, value) != ("randomness.seed", None):
                yield f"{path}: has to be a whole number of at least {least}, not {value!r}"
    for value in _values(cfg, "randomness.seed"):
        if _is_whole(value, LARGEST_SEED + 1):
            yield f"randomness.seed: has to be at most {LARGEST_SEED}, not {value}"
    if isinstance(cfg.get("train_cfg"), dict) and cfg["train_cfg"]:
        for key in {"type", "max_iters"} - cfg["train_cfg"].keys():
            yield f"train_cfg.{key}: missing; dict(type='IterTrainLoop', max_iters=...)"


def check_loops(cfg: Config) -> None:
    """Refuse a config that has some but not all of the settings of a loop.

    Raises:
        ConfigError: A loop lacks a part.
    """
    for keys in LOOPS.values():
        missing = [key for key in keys if cfg.get(key) is None]
        if 0 < len(missing) < len(keys):
            there = " and ".join(key for key in keys if key not in missing)
            raise ConfigError(
                f"{cfg.filename}: {' and '.join(missing)}: missing, but {there} there: give all of "
                f"{', '.join(keys)}, or set all of them to None"
            )


def usable_loader(loader: Any) -> Any:
    """A loader's config without settings that need a GPU or workers, where there are none."""
    if not isinstance(loader, dict):  # built already
        return loader
    left_out = set() if torch.cuda.is_available() else {"pin_memory"}
    if not loader.get("num_workers"):  # else torch raises an error
        left_out |= {"persistent_workers", "prefetch_factor"}
    return {key: value for key, value in loader.items() if key not in left_out}


def _values(cfg: dict[str, Any], path: str) -> list[Any]:
    """The value at a path, where there is one."""
    place, _, key = path.rpartition(".")
    node = _look_up(cfg, place) if place else cfg
    return [node[key]] if isinstance(node, dict) and key in node else []


def _look_up(cfg: dict[str, Any], path: str) -> Any:
    node: Any = cfg
    for key in path.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    return node


def _unknown_keys(node: Any, path: str, legal: frozenset[str]) -> Iterator[str]:
    if not isinstance(node, (dict, type(None))):
        yield f"{path}: has to be a dict, not {node!r}"
        return
    for key in sorted((node or {}).keys() - legal):
        what = "a dataloader" if path in LOADERS else f"{path!r}"
        hint = did_you_mean(key, legal) or f"; it has {', '.join(sorted(legal))}"
        yield f"{path}.{key}: not an argument of {what}{hint}"


def _missing_keys(node: dict[str, Any], path: str) -> Iterator[str]:
    for key, hint in LOADER_NEEDS.items():
        if node.get(key) is None:
            if (path, key) == ("train_dataloader", "sampler"):
                hint = "use dict(type='EndlessSampler'), which an exact resume needs"
            yield f"{path}.{key}: missing; {hint}"


def _unusable(node: dict[str, Any], path: str) -> Iterator[str]:
    """Settings that torch accepts, but that fail at the first batch or leave out images."""
    for key in LOADER_NEEDS:
        if isinstance(node.get(key), (str, int, float, list, tuple)):
            yield f"{path}.{key}: has to be a dict, not {node[key]!r}"
    if node.get("generator") is not None:
        yield f"{path}.generator: random numbers follow from randomness.seed; leave it out"
    if node.get("timeout") and not node.get("num_workers"):
        yield f"{path}.timeout: it is for worker processes: set num_workers, or leave it out"
    if node.get("drop_last") is True and path != "train_dataloader":
        yield f"{path}.drop_last: images at the end would not be counted; leave it out"


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
