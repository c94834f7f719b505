"""Read and check a study, from its file or from its folder."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from daseg.config.files import read_config
from daseg.registry import did_you_mean
from daseg.study.claims import parse_claim
from daseg.study.definition import Row, Step, Study
from daseg.study.runs import read_run
from daseg.utils.errors import ConfigError, DataError
from daseg.utils.json_files import check_shape, read_json
from daseg.worlds.load import world_names

JSON = "study.json"
KEYS = ("title", "seeds", "rows", "steps", "claims", "sizes", "launcher")  # of a study's file
SHAPE: dict[str, Any] = {
    "name": str,
    "title": str,
    "world": str,
    "seeds": list[int],
    "rows": list[Any],
    "steps?": list[Any],
    "claims?": list[Any],
    "sizes?": dict[str, list[tuple[int, str]]],
    "launcher?": dict[str, Any],
    "given?": list[str],
}
TOOLS = ("train", "translate", "pseudo_label")
NAME = re.compile(r"\w[\w.-]*")  # a folder has this name, too
AnyStep = TypeVar("AnyStep", bound=Step)


def read_study(path: str | Path) -> Study:
    """Read a study's file, a Python file as a config is.

    Raises:
        ConfigError: It is missing or broken, or names a row, step, or argument that does not exist.
    """
    cfg = read_config(Path(path), KEYS)._cfg_dict.to_dict()
    for name in cfg.keys() - set(KEYS):  # variables of the file, or misspelt
        hint = did_you_mean(name, [key for key in KEYS if key not in cfg])
        if hint:
            raise ConfigError(f"{path}: {name}: not a key of a study{hint}")
    name = Path(path).stem
    stated = {key: cfg[key] for key in KEYS if key in cfg}
    return _parse(
        dict(title=name, seeds=[1], rows=[]) | stated | dict(name=name, world="real"), path
    )


def read_results(root: str | Path) -> Study:
    """Read a study's folder: what ``study.json`` says, and what the runs have left behind.

    Raises:
        DataError: ``study.json`` is missing, or a file cannot be read as what it should be.
        ConfigError: ``study.json`` contradicts itself; see `parse_study`.
    """
    path = Path(root) / JSON
    if not path.exists():
        raise DataError(f"{root} is not the folder of a study: it has no {JSON}")
    study = _parse(read_json(path, "a study", hint="`daseg study` writes it again"), path)
    rows = {}
    for name, row in study.rows.items():
        seeds = study.seeds[:1] if name in study.given else study.seeds
        rows[name] = replace(row, runs=[read_run(Path(root), name, seed) for seed in seeds])
    return replace(study, rows=rows)


def _parse(content: Mapping[str, Any], path: str | Path) -> Study:
    try:
        return parse_study(content)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def parse_study(content: Mapping[str, Any]) -> Study:
    """Check a study, and make it a `Study`.

    Args:
        content: What ``study.json`` says, or a study's file, with its name and world. What is None
            counts as not stated.

    Raises:
        ConfigError: A key is missing, unknown, or has another form; two rows or steps have the same
            name; a reference, baseline, oracle, size or claim names a row that does not exist.
    """
    try:
        content = check_shape({k: v for k, v in content.items() if v is not None}, SHAPE)
        if not content["rows"]:
            raise ConfigError("a study has rows=[dict(name=..., config=...), ...]")
        rows = [_built(Row, row, "rows") for row in content["rows"]]
        steps = [_built(Step, step, "steps") for step in content.get("steps", [])]
        _check_names(rows, steps)
        names = [row.name for row in rows]
        claims = tuple(parse_claim(claim, names) for claim in content.get("claims", []))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    seeds = content["seeds"]
    if not seeds or len(set(seeds)) < len(seeds):
        raise ConfigError(f"seeds is a list of different whole numbers, not {seeds!r}")
    rest = {key: content[key] for key in ("sizes", "launcher") if key in content}
    study = Study(
        **{key: content[key] for key in ("name", "title", "world")},
        seeds=tuple(seeds),
        rows={row.name: row for row in rows},
        steps={step.name: step for step in steps},
        claims=claims,
        given=tuple(content.get("given", ())),
        **rest,
    )
    _check_rows_named(study)
    return study


def _built(cls: type[AnyStep], settings: Any, where: str) -> AnyStep:
    """A step or row of its settings."""
    if isinstance(settings, Mapping):
        where = f"{where}, {settings.get('name', '?')!r}"
        settings = {key: value for key, value in settings.items() if value is not None}
    kinds, shape = get_type_hints(cls), {}
    for each in fields(cls):
        needed = each.default is MISSING and each.default_factory is MISSING
        if each.name != "runs":
            shape[each.name + "?" * (not needed)] = kinds[each.name]
    known = [key.rstrip("?") for key in shape]
    for key in check_shape(settings, dict[str, Any], where):
        if key not in known:
            near = did_you_mean(key, known) or f"; there are {', '.join(known)}"
            raise ConfigError(f"{where}: there is no {key!r}{near}")
    step = cls(**check_shape(settings, shape, where))
    _check_step(step, where)
    if isinstance(step, Row):
        logged = {str(iterations): float(miou) for iterations, miou in step.logged.items()}
        step = replace(step, logged=logged)
    return step


def _check_step(step: Step, where: str) -> None:
    """Check a step or row by itself."""
    if not NAME.fullmatch(step.name):
        raise ConfigError(
            f"{where}: the name {step.name!r} has more than letters, digits, - _ and dots, or "
            "begins with - or a dot"
        )
    tools = TOOLS[:1] if step.is_row else TOOLS
    if step.tool not in tools:
        raise ConfigError(f"{where}: tool={step.tool!r} is none of {', '.join(tools)}")
    if (step.tool == "train") != (step.checkpoint is None):
        raise ConfigError(
            f"{where}: tool='translate' and 'pseudo_label' need checkpoint=..., 'train' has none"
        )
    if step.judge is not None and step.tool != "translate":
        raise ConfigError(f"{where}: judge=(config, checkpoint) is for tool='translate'")
    if step.devices < 1 or (step.devices > 1 and step.tool != "train"):
        raise ConfigError(
            f"{where}: devices={step.devices}: a training uses one or more, another tool one"
        )
    for world in step.world_cfg_options:
        if world not in (known := world_names()):
            near = did_you_mean(world, known) or f"; there are {', '.join(known)}"
            raise ConfigError(f"{where}: world_cfg_options: there is no world {world!r}{near}")


def _check_names(rows: list[Row], steps: list[Step]) -> None:
    """Names are used once, and references name one of them."""
    every = [step.name for step in (*rows, *steps)]
    twice = sorted({name for name in every if every.count(name) > 1})
    if twice:
        raise ConfigError(f"two rows or steps have the name {', '.join(twice)}")
    for step in (*rows, *steps):
        for name in step.references():
            if name not in every:
                raise ConfigError(
                    f"{step.name!r} needs {{{name}}}, and there is no such row or step"
                    f"{did_you_mean(name, every)}"
                )


def _check_rows_named(study: Study) -> None:
    """The rows that other rows, curves and ``given`` name are there."""
    named = [(repr(row.name), n) for row in study.rows.values() for n in (row.baseline, row.oracle)]
    named += [(f"sizes, {curve!r}", name) for curve, of in study.sizes.items() for _, name in of]
    named += [("given", name) for name in study.given]
    for where, name in named:
        if name is not None and name not in study.rows:
            raise ConfigError(f"{where}: there is no row {name!r}{did_you_mean(name, study.rows)}")
