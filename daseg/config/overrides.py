"""Override values of a config by dotted key; an override that overrides nothing is an error."""

import re
from typing import Any

from mmengine import Config

from daseg.config.validate import RUNNER_KEYS
from daseg.registry import did_you_mean
from daseg.utils.errors import ConfigError

# Dicts without a type that take keys which a config need not state.
OPEN = re.compile(r"\w+_dataloader|optim_wrapper\.\w+(\.(lr|decay)_mult)?|randomness|env_cfg")


def is_whole(value: Any) -> bool:
    """Whether a dict is a single value, such as an id_map: some of its keys are not names.

    Such a dict is replaced as a whole, never merged key by key.
    """
    return isinstance(value, dict) and not all(isinstance(key, str) for key in value)


def override(cfg: Config, options: dict[str, Any]) -> None:
    """Set values by dotted key, in place; list items by index, a dict is merged into a dict.

    Raises:
        ConfigError: A key overrides nothing, or a helper variable that changes nothing.
    """
    for key in options:
        _check(cfg, key)
    for key, value in options.items():
        node: Any = cfg._cfg_dict
        *parents, leaf = key.split(".")
        for name in parents:
            node = node[int(name)] if isinstance(node, (list, tuple)) else node[name]
        if isinstance(node, list):
            node[int(leaf)] = merged(value, node[int(leaf)])
        elif isinstance(node, tuple):
            raise ConfigError(
                f"--cfg-options {key}: {'.'.join(parents)} is a tuple, whose items cannot be set "
                "one by one: give all of it"
            )
        else:
            node[leaf] = merged(value, node.get(leaf))


def merged(new: Any, old: Any) -> Any:
    """``new`` in the place of ``old``; two dicts by their keys, but for those that `is_whole`."""
    if not isinstance(new, dict):
        return new
    new = dict(new)
    delete = new.pop("_delete_", False)
    if delete or not isinstance(old, (dict, list)) or is_whole(new) or is_whole(old):
        return new
    if isinstance(old, dict):
        return {**old, **{key: merged(value, old.get(key)) for key, value in new.items()}}
    items = list(old)
    if not all(key.isdigit() and int(key) < len(items) for key in new):
        return new
    for key, value in new.items():
        items[int(key)] = merged(value, items[int(key)])
    return items


def _check(cfg: Config, key: str) -> None:
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
    has = f" (it has {', '.join(map(str, known))})" if known else ""
    raise ConfigError(
        f"--cfg-options {key}: overrides nothing, {place or 'the config'} has no {name!r}"
        f"{did_you_mean(name, known) or has}"
    )


def _check_is_read(cfg: Config, key: str) -> None:
    top = key.split(".")[0]
    if top in cfg and top not in RUNNER_KEYS:
        raise ConfigError(
            f"--cfg-options {key}: {top!r} is a helper variable that the config has already "
            "computed with, so a new value has no effect: override the keys it is used for "
            "(--print-config shows them)"
        )


def _check_leaf(node: Any, leaf: str, key: str, place: str) -> None:
    if isinstance(node, dict) and ("type" in node or OPEN.fullmatch(place)):
        return  # a new argument of a part; the check of the whole config knows what it takes
    if place or leaf not in RUNNER_KEYS:
        _child(node, leaf, key, place)
