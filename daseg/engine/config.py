"""Load a config file strictly: what it names must exist, what overrides it must override."""

import ast
import difflib
import re
from pathlib import Path
from typing import Any

from mmengine import Config, ConfigDict

from daseg.engine.validate import RUNNER_KEYS, validate
from daseg.plugins import load_plugins
from daseg.registry import did_you_mean
from daseg.utils.errors import ConfigError


def load_config(path: str | Path, cfg_options: dict[str, Any] | None = None) -> Config:
    """Read a config with its bases, apply overrides, complete and check it.

    Args:
        path: The config file.
        cfg_options: Overrides by dotted key: ``{"train_cfg.max_iters": 100}``; list items by index.

    Raises:
        ConfigError: The file is missing or broken, an override overrides nothing, or anything that
            `daseg.engine.validate.validate` finds.
    """
    load_plugins()
    cfg = _read(Path(path))
    _check_helpers(Path(path))
    if cfg_options:
        _check_options(cfg, cfg_options)
        cfg.merge_from_dict(cfg_options)
    try:
        validate(cfg._cfg_dict)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    _fill_schedule_end(cfg)
    return cfg


def _read(path: Path) -> Config:
    if not path.is_file():
        raise ConfigError(f"no config at {path}{_similar_files(path)}")
    try:
        return Config.fromfile(path)
    except SyntaxError as error:
        place = f"line {error.lineno}: " if error.lineno else ""
        raise ConfigError(f"{path} is not valid Python: {place}{error.msg}") from None
    except ImportError as error:
        raise ConfigError(f"{path}: custom_imports fails: {error}") from error
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{path} cannot be read: {reason}") from error


def _similar_files(path: Path) -> str:
    folder = path.parent
    while not folder.is_dir():
        folder = folder.parent
    if folder == Path("."):
        folder = Path("configs") if Path("configs").is_dir() else folder
    files = [str(p) for p in sorted(folder.rglob("*.py"))]
    matches = difflib.get_close_matches(str(path), files, 3, cutoff=0.6)
    return f"; did you mean {' or '.join(matches)}?" if matches else ""


def _check_helpers(path: Path) -> None:
    """A helper variable of a base that is set again has no effect: the base has used its own."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inherited = set()
    for base in _bases(tree):
        base_path = (path.parent / base).resolve()
        _check_helpers(base_path)
        inherited |= _all_assigned(base_path)
    loaded = {
        n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
    }
    for name in _assigned(tree) & inherited - RUNNER_KEYS - loaded:
        if not name.startswith("_"):
            raise ConfigError(
                f"{path} sets {name!r} again, which a base has computed with already, so that the "
                f"new value changes nothing: set the keys that the base uses {name!r} for"
            )


def _bases(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_base_":
            value = ast.literal_eval(node.value)
            return [value] if isinstance(value, str) else list(value)
    return []


def _assigned(tree: ast.Module) -> set[str]:
    targets = [t for n in tree.body if isinstance(n, ast.Assign) for t in n.targets]
    return {t.id for t in targets if isinstance(t, ast.Name)}


def _all_assigned(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    below = (_all_assigned((path.parent / base).resolve()) for base in _bases(tree))
    return _assigned(tree).union(*below)


def _check_options(cfg: Config, options: dict[str, Any]) -> None:
    for key in options:
        node: Any = cfg._cfg_dict
        *parents, leaf = key.split(".")
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


def _check_leaf(node: Any, leaf: str, key: str, place: str) -> None:
    if isinstance(node, dict) and ("type" in node or place.endswith("_dataloader")):
        return  # a new argument of a part; the check of the whole config knows what it takes
    if not place and leaf in RUNNER_KEYS:
        return
    _child(node, leaf, key, place)
    if not place:
        raise ConfigError(
            f"--cfg-options {key}: {leaf!r} is a helper variable that the config has computed with "
            "already, so that a new value changes nothing: override the keys it is used for "
            "(--print-config shows them)"
        )


def _known(names: list[str]) -> str:
    return f" (it has {', '.join(map(str, names))})" if names else ""


def _fill_schedule_end(cfg: Config) -> None:
    """Let a polynomial schedule without an ``end`` reach its last value after the last iteration.

    mmengine's PolyLR ends one step early; ``end = max_iters + 1`` makes the factor of iteration i
    exactly ``(1 - i / max_iters) ** power``.
    """
    max_iters = (cfg.get("train_cfg") or {}).get("max_iters")
    schedule = cfg.get("param_scheduler") or []
    per_network = (
        schedule.values() if isinstance(schedule, dict) and "type" not in schedule else [schedule]
    )
    for group in per_network:
        for scheduler in group if isinstance(group, list) else [group]:
            if isinstance(scheduler, ConfigDict) and scheduler.type == "PolyLR" and max_iters:
                scheduler.setdefault("end", max_iters + 1)
                scheduler.setdefault("by_epoch", False)
