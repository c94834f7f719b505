"""A study's file: which rows it has, what has to be made for them, and what it claims."""

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from daseg.config.files import read_config
from daseg.registry import did_you_mean
from daseg.study.claims import check_claims
from daseg.utils.errors import ConfigError
from daseg.worlds.apply import WORLDS

KEYS = ("title", "seeds", "rows", "steps", "claims", "sizes")  # of a study
TOOLS = ("train", "translate", "pseudo_label")
REFERENCE = re.compile(r"\{([^{}]*)\}")
NAME = re.compile(r"\w[\w.-]*")  # the name of a folder, too: not ".."


@dataclass(frozen=True)
class Step:
    """Something that is made for other steps or rows: networks, translated images, pseudo-labels.

    In ``checkpoint``, ``judge``, ``arguments`` and the values of the options, also inside lists and
    dicts, ``{NAME}`` is what the step or row of that name makes, of the same seed: the last
    checkpoint of a training, else the folder of the images or labels. It is made before.

    Args:
        name: Letters, digits, ``_``, and behind the first also ``-`` and dots.
        config: The config file, from the folder that the study is started in.
        tool: "train", "translate" or "pseudo_label".
        checkpoint: What translates or labels.
        cfg_options: Overrides of the config by dotted key.
        world_cfg_options: By small world, further ones that hold in it alone.
        arguments: Further words of the tool's command line.
        judge: Of a translation: config and checkpoint of a segmentor that judges it.
        once: Make it with the first seed alone, for all seeds.
    """

    name: str
    config: str
    tool: str = "train"
    checkpoint: str | None = None
    cfg_options: Mapping[str, Any] = field(default_factory=dict)
    world_cfg_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    judge: tuple[str, str] | None = None
    once: bool = False

    @property
    def is_row(self) -> bool:
        """Whether it is tested, and stands in the report."""
        return False

    def references(self) -> list[str]:
        """Names of what it needs, each once."""
        options = [self.cfg_options, self.world_cfg_options]
        texts = _texts([self.checkpoint, options, self.judge, self.arguments])
        return list(dict.fromkeys(name for text in texts for name in REFERENCE.findall(text)))

    def in_world(self, world: str | None) -> "Step":
        """The same with the options that hold in a world, None for the real one."""
        further = self.world_cfg_options.get(world, {}) if world else {}
        return replace(self, cfg_options={**self.cfg_options, **further}, world_cfg_options={})


@dataclass(frozen=True)
class Row(Step):
    """A row of the report: a config that is trained with each seed, and tested.

    Args:
        group: Heading of the rows that belong together.
        data: What it is trained on, in words.
        logged: mIoU by iterations that somebody else got, the row's own first.
        classes_logged: IoU by class of the first of them.
        baseline: Row at which none of the gap is closed.
        oracle: Row at which all of it is.
        remark: What a reader has to know.
    """

    group: str = ""
    data: str = ""
    logged: Mapping[Any, float] = field(default_factory=dict)
    classes_logged: Mapping[str, float] = field(default_factory=dict)
    baseline: str | None = None
    oracle: str | None = None
    remark: str = ""

    @property
    def is_row(self) -> bool:
        """True: it is tested."""
        return True

    def content(self) -> dict[str, Any]:
        """What the report knows of it."""
        keys = ("name", "config", "group", "data", "baseline", "oracle", "remark")
        logged = {str(iterations): float(number) for iterations, number in self.logged.items()}
        classes = {name: float(number) for name, number in self.classes_logged.items()}
        return {k: getattr(self, k) for k in keys} | dict(logged=logged, classes_logged=classes)


@dataclass(frozen=True)
class Study:
    """A study as its file states it.

    Args:
        name: The file's name.
        title: One line.
        seeds: Of the trainings.
        rows: What is compared.
        steps: What is made for the rows.
        claims: ``dict(title=..., checks=[...])`` each: what the rows are to show.
        sizes: By name of a curve, pairs of a number of images and a row.
    """

    name: str
    title: str
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]
    steps: tuple[Step, ...] = ()
    claims: tuple[dict[str, Any], ...] = ()
    sizes: Mapping[str, Any] = field(default_factory=dict)

    def content(
        self, world: str | None, seeds: Iterable[int], given: Container[str] = ()
    ) -> dict[str, Any]:
        """What the report reads, as ``study.json``; rows that were given have one run."""
        return dict(
            name=self.name,
            title=self.title,
            world=world or "real",
            seeds=list(seeds),
            given=[row.name for row in self.rows if row.name in given],
            rows=[row.content() for row in self.rows],
            claims=list(self.claims),
            sizes=dict(self.sizes),
        )


def read_study(path: str | Path) -> Study:
    """Read a study's file, a Python file as a config is.

    Raises:
        ConfigError: It is missing or broken, or names a row, step, or argument that there is not.
    """
    cfg = read_config(Path(path), KEYS)._cfg_dict.to_dict()
    try:
        return _study(Path(path).stem, cfg)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    except (TypeError, ValueError, AttributeError) as error:  # a number where a list belongs, ...
        raise ConfigError(f"{path} cannot be read as a study: {error}") from error


def _texts(node: Any) -> Iterator[str]:
    """All texts in lists and dicts."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, (Mapping, list, tuple)):
        for child in node.values() if isinstance(node, Mapping) else node:
            yield from _texts(child)


def _study(name: str, cfg: dict[str, Any]) -> Study:
    _check_keys(cfg)
    if not cfg.get("rows"):
        raise ConfigError("a study has rows=[dict(name=..., config=...), ...]")
    study = Study(
        name=name,
        title=str(cfg.get("title", name)),
        seeds=_seeds(cfg.get("seeds", [1])),
        rows=tuple(_built(Row, row, "rows") for row in cfg["rows"]),
        steps=tuple(_built(Step, step, "steps") for step in cfg.get("steps", [])),
        claims=tuple(cfg.get("claims", [])),
        sizes=cfg.get("sizes", {}),
    )
    _check_names(study)
    check_claims(study.content(None, study.seeds))
    return study


def _check_keys(cfg: dict[str, Any]) -> None:
    """Refuse what is meant for a key of a study; other names are variables that its file uses."""
    for name in cfg.keys() - set(KEYS):
        hint = did_you_mean(name, [key for key in KEYS if key not in cfg])
        if hint:
            raise ConfigError(f"{name}: not a key that a study has{hint}")


def _seeds(seeds: Any) -> tuple[int, ...]:
    whole = isinstance(seeds, (list, tuple)) and all(isinstance(seed, int) for seed in seeds)
    if not whole or not seeds or len(set(seeds)) < len(seeds):
        raise ConfigError(f"seeds is a list of different whole numbers, not {seeds!r}")
    return tuple(seeds)


def _built(cls: type, settings: Any, where: str) -> Any:
    known = [each.name for each in fields(cls)]
    name = settings.get("name", "?") if isinstance(settings, dict) else settings
    for key in settings if isinstance(settings, dict) else ():
        if key not in known:
            raise ConfigError(
                f"{where}, {name!r}: there is no {key!r}"
                f"{did_you_mean(key, known) or '; there are ' + ', '.join(known)}"
            )
    if not isinstance(settings, dict) or not {"name", "config"} <= settings.keys():
        raise ConfigError(f"{where}, {name!r}: needs dict(name=..., config=...)")
    made = cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()})
    _check_step(made, f"{where}, {name!r}")
    return made


def _check_step(step: Step, where: str) -> None:
    """Check what can be known of a step or row without the others."""
    if not NAME.fullmatch(step.name):
        raise ConfigError(
            f"{where}: the name {step.name!r} has more than letters, digits, - _ and dots, or "
            "begins with - or a dot"
        )
    tools = TOOLS[:1] if step.is_row else TOOLS
    if step.tool not in tools:
        raise ConfigError(f"{where}: tool={step.tool!r} is none of {', '.join(tools)}")
    if (step.tool == "train") != (step.checkpoint is None):
        raise ConfigError(f"{where}: what translates or labels has a checkpoint, a training none")
    if step.judge is not None and (step.tool != "translate" or len(step.judge) != 2):
        raise ConfigError(f"{where}: judge=(config, checkpoint) is for tool='translate'")
    for world in step.world_cfg_options:
        if world not in WORLDS:
            raise ConfigError(
                f"{where}: world_cfg_options: there is no world {world!r}"
                f"{did_you_mean(world, WORLDS) or '; there are ' + ', '.join(WORLDS)}"
            )
    words = step.arguments
    if not isinstance(words, tuple) or not all(isinstance(word, str) for word in words):
        raise ConfigError(f"{where}: arguments is a list of texts, not {words!r}")


def _check_names(study: Study) -> None:
    every = [step.name for step in (*study.rows, *study.steps)]
    twice = sorted({name for name in every if every.count(name) > 1})
    if twice:
        raise ConfigError(f"two rows or steps have the name {', '.join(twice)}")
    for step in (*study.rows, *study.steps):
        for name in step.references():
            if name not in every:
                raise ConfigError(
                    f"{step.name!r} needs {{{name}}}, and there is no such row or step"
                    f"{did_you_mean(name, every)}"
                )
    rows = [row.name for row in study.rows]
    named = [(f"{r.name!r}", name) for r in study.rows for name in (r.baseline, r.oracle) if name]
    named += [(f"sizes, {curve!r}", name) for curve, s in study.sizes.items() for _, name in s]
    for where, name in named:
        if name not in rows:
            raise ConfigError(f"{where}: there is no row {name!r}{did_you_mean(name, rows)}")
