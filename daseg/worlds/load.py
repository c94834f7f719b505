"""Read the file of a small world.

A world is named as its file in ``configs/worlds`` is, or as a plugin has named one of its own with
`add_world`; any other is given as the path of its file.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from mmengine import Config

from daseg.config.files import read_config
from daseg.config.names import config_names, find_config
from daseg.registry import did_you_mean
from daseg.utils.errors import ConfigError
from daseg.utils.hints import give_hints
from daseg.utils.json_files import check_shape
from daseg.utils.options import parse_size
from daseg.worlds.parts import check_table
from daseg.worlds.world import World

SMALL = {"type": str, "root": str, "images": int}
DATASET = {"images": int, "train?": SMALL, "val?": SMALL, "test?": SMALL, "translated?": SMALL}
FIELDS = {each.name: each for each in fields(World) if each.name != "name"}
TYPES = get_type_hints(World)
# What --world can set, and how it is written.
WORDS = dict(
    size="WIDTHxHEIGHT, such as size=480x360",
    max_iters="a whole number",
    least_interval="a whole number",
    least_batch="a whole number",
    highest_lr="a number",
)
# Each with what its environment variable's name ends in.
FOLDERS = dict(root="", translated="_TRANSLATED", pseudo_labels="_PSEUDO_LABELS")
_added: dict[str, Path] = {}


def add_world(name: str, file: str | Path) -> None:
    """Let ``--world`` find the file of a world by its name; for plugins."""
    _added[name] = Path(file)


def world_names() -> list[str]:
    """Names of all worlds that have one."""
    packaged = [name.removeprefix("worlds/") for name in config_names("worlds/*")]
    return list(dict.fromkeys([*packaged, *_added]))


def name_of(world: str | Path) -> str:
    """The name of a world that is given by its name or path, and options: a folder's name."""
    place, options = split_options(world)
    parts = [Path(place).name.removesuffix(".py"), *(f"{k}_{v}" for k, v in options.items())]
    return "_".join(parts)


def split_options(world: str | Path) -> tuple[str, dict[str, str]]:
    """The name or path of a world, and its options: of ``camvid:size=480x360,max_iters=2000``.

    Raises:
        ConfigError: An option is none, or has no value.
    """
    place, colon, text = str(world).rpartition(":")
    if not colon or "=" not in text:
        return str(world), {}
    options = dict(each.partition("=")[::2] for each in text.split(","))
    for key, value in options.items():
        if key not in OPTIONS or not value:
            raise ConfigError(
                f"--world {world}: {key!r} is no option of a world, or has no value"
                f"{did_you_mean(key, OPTIONS)}; it is NAME:KEY=VALUE,... with {', '.join(OPTIONS)}"
            )
    return place, options


OPTIONS: dict[str, Callable[[str], Any]] = dict(
    size=lambda text: parse_size(text, "size"),
    max_iters=int,
    least_interval=int,
    least_batch=int,
    highest_lr=float,
)


def load_world(world: str | Path) -> World:
    """Read a world; its folders are where the environment says now.

    Args:
        world: A name, or the path of a file, which ends in ``.py``; with options behind a colon,
            which hold in the place of what the file says: ``camvid:size=480x360,max_iters=2000``.

    Raises:
        ConfigError: There is no such world, or its file is wrong.
    """
    place, options = split_options(world)
    path = Path(place)
    file = path if path.suffix == ".py" else _added.get(place, _packaged(place))
    if not file.is_file():
        known = world_names()
        raise ConfigError(
            f"there is no such world{did_you_mean(place, known)}; there are "
            f"{', '.join(known)}, and any other is given as the path of its .py file"
        )
    content = _content(file)
    try:
        _set(content, options)
        _check(content)
        made = _with_folders(World(name_of(world), **content))
    except (ValueError, KeyError) as error:
        raise ConfigError(f"{file}: {error}") from error
    if file == path:
        add_world(place, file)  # for the hints
    return made


def _packaged(world: str | Path) -> Path:
    return find_config(f"worlds/{world}")


def _content(file: Path) -> dict[str, Any]:
    """The variables of a world's file, over those of the world that it ``extends``."""
    own = read_config(file, {*FIELDS, "extends"})._cfg_dict.to_dict()
    own = {key: value for key, value in own.items() if not key.startswith("_")}
    base = own.pop("extends", None)
    for key in sorted(own.keys() - FIELDS.keys()):
        near = did_you_mean(key, FIELDS) or "; a helper's name begins with _"
        raise ConfigError(f"{file}: {key} is not a setting of a world{near}")
    if base is None:
        return own
    found = _packaged(base)
    merged = Config(_content(found if found.is_file() else _added.get(base, found)))
    merged.merge_from_dict(own)
    return merged._cfg_dict.to_dict()


def _set(content: dict[str, Any], options: Mapping[str, str]) -> None:
    """Let options hold in the place of what a file says, for all models."""
    for key, text in options.items():
        try:
            value = OPTIONS[key](text)
        except (ConfigError, ValueError):
            raise ValueError(f"the option {key}={text} is {WORDS[key]}") from None
        if min(value if isinstance(value, tuple) else (value,)) <= 0:
            raise ValueError(f"the option {key}={text} is {WORDS[key]}, above 0")
        content[key] = value
        for settings in content.get("models", {}).values():
            settings.pop(key, None)


def _check(content: dict[str, Any]) -> None:
    """Raise ValueError if the file of a world lacks a setting or has a wrong one."""
    has_default = {k for k, f in FIELDS.items() if {f.default, f.default_factory} != {MISSING}}
    check_shape(content, {f"{k}{'?' * (k in has_default)}": TYPES[k] for k in FIELDS})
    for name, entry in content["datasets"].items():
        check_shape(entry, DATASET, f"datasets.{name}")
    check_table(content.get("parts", {}))
    for name, settings in content.get("models", {}).items():
        check_shape(settings, {f"{key}?": TYPES[key] for key in FIELDS}, f"models.{name}")
        for key in settings.keys() - FIELDS.keys():
            raise ValueError(f"models.{name}.{key}: no such setting{did_you_mean(key, FIELDS)}")


def _with_folders(world: World) -> World:
    """The world with its folders, in all texts that name them."""
    folders: dict[str, Any] = {}
    for key, suffix in FOLDERS.items():
        variable = world.variable and world.variable + suffix
        folders[key] = os.environ.get(variable, getattr(world, key).format(**folders))
    datasets = {key: _filled(entry, folders) for key, entry in world.datasets.items()}
    missing = world.if_missing.format(**folders)
    return replace(world, datasets=datasets, if_missing=missing, **folders)


def _filled(value: Any, folders: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(child, folders) for key, child in value.items()}
    return value.format(**folders) if isinstance(value, str) else value


@give_hints
def advice(folder: Path) -> str:
    """What to do about a missing folder of a world."""

    def is_in(parent: str) -> bool:
        return Path(parent) in (folder, *folder.parents)

    for name in world_names():
        with suppress(ConfigError):  # a file that somebody has broken, of another world
            world = load_world(name)
            if is_in(world.translated):
                return (
                    f"translate the source of the world {name!r} into it first: "
                    f"daseg translate CONFIG CHECKPOINT --world {name} --out {world.translated}"
                )
            if is_in(world.pseudo_labels):
                return (
                    f"make those of the world {name!r} first: daseg pseudo-label CONFIG "
                    f"CHECKPOINT --world {name} --out {world.pseudo_labels}"
                )
            if is_in(world.root) and not Path(world.root).is_dir():
                return world.if_missing
    return ""
