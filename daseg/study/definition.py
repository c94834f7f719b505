"""The definition of a study: the rows that it compares, the steps before them, its claims."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from daseg.evaluation.protocol import ProtocolCard
from daseg.study.claims import Claim
from daseg.study.measures import Spread, spread
from daseg.study.runs import Run
from daseg.worlds.load import split_options

REFERENCE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Step:
    """Something that is made for other steps or rows: networks, translated images, pseudo-labels.

    In ``checkpoint``, ``judge``, ``arguments`` and the values of the options, also inside lists and
    dicts, ``{NAME}`` stands for what the step or row of that name makes with the same seed: the
    last checkpoint of a training, else the folder of the images or labels. It is made before.

    Args:
        name: Letters, digits, ``_``, and behind the first also ``-`` and dots.
        config: The config file, from the folder that the study is started in, or the name of one of
            daseg's.
        tool: "train", "translate" or "pseudo_label".
        checkpoint: The network that translates or labels.
        cfg_options: Overrides of the config by dotted key.
        world_cfg_options: By small world, further ones that hold in it alone.
        arguments: Further words of the tool's command line.
        judge: Of a translation: config and checkpoint of a segmentor that judges it.
        once: Make it with the first seed alone, for all seeds.
        devices: How many devices a training uses, a process on each.
    """

    name: str
    config: str
    tool: str = "train"
    checkpoint: str | None = None
    cfg_options: dict[str, Any] = field(default_factory=dict)
    world_cfg_options: dict[str, dict[str, Any]] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)
    judge: tuple[str, str] | None = None
    once: bool = False
    devices: int = 1
    is_row: ClassVar[bool] = False  # a row is tested, and stands in the report

    def references(self) -> list[str]:
        """Names of the steps and rows that it needs, each once."""
        options = [self.cfg_options, self.world_cfg_options]
        texts = _texts([self.checkpoint, options, self.judge, self.arguments])
        return list(dict.fromkeys(name for text in texts for name in REFERENCE.findall(text)))

    def in_world(self, world: str | None) -> "Step":
        """The same with the options that hold in a small world; None: the real data."""
        further = self.world_cfg_options.get(split_options(world)[0], {}) if world else {}
        return replace(self, cfg_options={**self.cfg_options, **further}, world_cfg_options={})


@dataclass(frozen=True)
class Row(Step):
    """A row of the report: a config that is trained with each seed, and tested.

    Args:
        group: Heading of the rows that belong together.
        data: What it is trained on, in words.
        logged: mIoU by iterations that somebody else got, the row's own first.
        classes_logged: IoU by class at the first of these iterations.
        baseline: Row at which none of the gap is closed.
        oracle: Row at which all of it is.
        remark: What a reader has to know.
        runs: What the trainings have left behind, one for each seed; read from the study's folder.
    """

    group: str = ""
    data: str = ""
    logged: dict[Any, float] = field(default_factory=dict)
    classes_logged: dict[str, float] = field(default_factory=dict)
    baseline: str | None = None
    oracle: str | None = None
    remark: str = ""
    runs: Sequence[Run] = ()
    is_row: ClassVar[bool] = True

    @property
    def logged_miou(self) -> float | None:
        """The mIoU that somebody else got, at the row's own number of iterations."""
        return next(iter(self.logged.values()), None)

    @property
    def by_seed(self) -> dict[int, float]:
        """The mIoU of the last checkpoint of each seed that has one, in percent."""
        return {run.seed: run.miou for run in self.runs if run.miou is not None}

    @property
    def miou(self) -> Spread | None:
        """Mean mIoU over the seeds."""
        return spread(list(self.by_seed.values()))

    @property
    def cards(self) -> dict[int, ProtocolCard]:
        """The protocol card of the last checkpoint of each seed that has been tested."""
        return {run.seed: run.test.card for run in self.runs if run.test is not None}

    def class_iou(self) -> dict[str, float | None]:
        """IoU of each class, mean over the seeds that have one, in percent."""
        found: dict[str, list[float]] = {}
        for test in (run.test for run in self.runs if run.test is not None):
            for name, value in test.results["IoU"].items():
                found.setdefault(name, []).extend([] if value is None else [value])
        means = {name: spread(values) for name, values in found.items()}
        return {name: None if mean is None else mean.mean for name, mean in means.items()}


@dataclass(frozen=True)
class Study:
    """A study as its file states it, or as its folder has it, with what its runs left behind.

    Args:
        name: The file's name.
        title: One line.
        seeds: The seeds of the trainings.
        rows: What is compared, by name.
        steps: What is made for the rows, by name.
        claims: What the rows are to show.
        sizes: By name of a curve, pairs of a number of target images and a row.
        launcher: Where the jobs run, ``dict(type="Slurm", partition="gpu")``; None: this machine.
        world: The small world that it runs in, or "real".
        given: Rows whose checkpoint was given: they are tested once, with the first seed.
    """

    name: str
    title: str
    seeds: tuple[int, ...]
    rows: dict[str, Row]
    steps: dict[str, Step] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    sizes: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    launcher: dict[str, Any] | None = None
    world: str = "real"
    given: tuple[str, ...] = ()

    @property
    def runs(self) -> list[Run]:
        """All runs, row by row."""
        return [run for row in self.rows.values() for run in row.runs]

    def mean(self, name: str | None) -> float | None:
        """Mean mIoU of a row; None where it has none, or there is no such row."""
        found = self.rows[name].miou if name in self.rows else None
        return None if found is None else found.mean

    def content(self) -> dict[str, Any]:
        """The content of ``study.json``: all that the report needs."""
        facts = ("name", "config", "group", "data", "baseline", "oracle", "remark")
        keys = (*facts, "logged", "classes_logged")
        return dict(
            name=self.name,
            title=self.title,
            world=self.world,
            seeds=list(self.seeds),
            given=list(self.given),
            rows=[{key: getattr(row, key) for key in keys} for row in self.rows.values()],
            claims=[claim.content() for claim in self.claims],
            sizes=self.sizes,
        )


def _texts(node: Any) -> Iterator[str]:
    """All texts in lists and dicts."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, (Mapping, list, tuple)):
        for child in node.values() if isinstance(node, Mapping) else node:
            yield from _texts(child)
