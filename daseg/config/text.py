"""Write a config as text from which the same config can be read again."""

import math
import os
from collections.abc import Iterator, Mapping
from keyword import iskeyword
from pathlib import Path
from typing import Any

import numpy as np
from mmengine import Config

from daseg.config.schedules import ENDS_WITH_TRAINING, schedulers
from daseg.utils.files import atomic_write_text

WIDTH = 100
# What a tool says anew each time that it runs.
OF_ONE_RUN = ("experiment_name", "resume", "launcher")


def config_text(cfg: Mapping[str, Any], *, completed: bool = False) -> str:
    """The text of a file from which this very config is read; mmengine's dump may lose values.

    The ends that `load_config` adds to schedules are left out unless they are ``completed``, since
    they follow from the length of the training, which an override may change. So are settings that
    a tool makes for a single run. A value that cannot be written as text is named in a comment at
    the top.
    """
    lost: list[str] = []
    plain = {key: value for key, value in cfg.items() if key not in OF_ONE_RUN}
    items = list(plain.items()) if completed else list(_without_completion(plain))
    lines = [f"{key} = {_text(value, key, 0, lost)}\n" for key, value in items]
    notes = [f"# No text gives the object at {place}: this file cannot be run.\n" for place in lost]
    return "".join([*notes, *lines])


def write_config(cfg: Config, folder: str | Path) -> None:
    """Write the text of a config into a folder, under the name of its file."""
    name = Path(cfg.filename or "config.py").name
    atomic_write_text(Path(folder) / name, config_text(cfg._cfg_dict))


def _without_completion(cfg: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    train_cfg = cfg.get("train_cfg")
    max_iters = train_cfg.get("max_iters") if isinstance(train_cfg, Mapping) else None
    added = [
        id(scheduler)
        for _, scheduler in schedulers(cfg.get("param_scheduler"))
        if isinstance(max_iters, int) and scheduler["type"] in list(ENDS_WITH_TRAINING)
        if scheduler.get("end") == max_iters + ENDS_WITH_TRAINING[scheduler["type"]]
    ]
    for key, value in cfg.items():
        yield key, _without_ends(value, added) if key == "param_scheduler" else value


def _without_ends(node: Any, added: list[int]) -> Any:
    if isinstance(node, Mapping):
        left_out = {"by_epoch"} if node.get("by_epoch") is False else set()
        left_out |= {"end"} if id(node) in added else set()
        return {k: _without_ends(v, added) for k, v in node.items() if k not in left_out}
    if isinstance(node, (list, tuple)):
        return type(node)(_without_ends(value, added) for value in node)
    return node


def _text(value: Any, path: str, column: int, lost: list[str]) -> str:
    """A value as Python source; the place of one that cannot be written is added to ``lost``."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    elif isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):  # mmengine replaces what stands in double braces
        return repr(str(value)).replace("{{", "{\\x7b")
    if value is None or isinstance(value, (bool, bytes, range)):
        return repr(value)
    if isinstance(value, int):
        return repr(int(value))
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else f"float({str(value)!r})"
    if isinstance(value, Mapping):
        return _of_dict(value, path, column, lost)
    if isinstance(value, (list, tuple, set, frozenset)):
        return _of_list(value, path, column, lost)
    name = getattr(value, "__qualname__", "") if callable(value) else ""
    if name and "<" not in name and "." not in name and value.__module__ != "__main__":
        return repr(f"{value.__module__}.{name}")  # it can be imported by this name
    lost.append(path)
    return repr(repr(value))


def _of_dict(value: Mapping[Any, Any], path: str, column: int, lost: list[str]) -> str:
    names = all(isinstance(k, str) and k.isidentifier() and not iskeyword(k) for k in value)
    inner = column + 4
    items = []
    for key, item in value.items():
        text = _text(item, f"{path}.{key}", inner, lost)
        items.append(f"{key}={text}" if names else f"{_text(key, path, inner, lost)}: {text}")
    return _joined("dict(" if names else "{", items, ")" if names else "}", column)


def _of_list(value: Any, path: str, column: int, lost: list[str]) -> str:
    items = [_text(item, f"{path}.{i}", column + 4, lost) for i, item in enumerate(value)]
    if isinstance(value, (set, frozenset)):
        return _joined(f"{type(value).__name__}([", sorted(items), "])", column)
    if isinstance(value, list):
        return _joined("[", items, "]", column)
    return f"({items[0]},)" if len(items) == 1 else _joined("(", items, ")", column)


def _joined(begin: str, items: list[str], end: str, column: int) -> str:
    line = f"{begin}{', '.join(items)}{end}"
    if column + len(line) <= WIDTH and "\n" not in line:
        return line
    indent = " " * (column + 4)
    rows = "".join(f"{indent}{item},\n" for item in items)
    return f"{begin}\n{rows}{' ' * column}{end}"
