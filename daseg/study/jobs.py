"""The jobs of a study: each step and row with each seed, in an order in which they can be made."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from mmengine import Config

from daseg.config.load import load_config
from daseg.registry import did_you_mean
from daseg.study.definition import REFERENCE, Step, Study
from daseg.study.runs import read_record
from daseg.utils.errors import ConfigError
from daseg.utils.files import atomic_write_text
from daseg.utils.options import parse_cfg_options

RECORD = "job.json"
KEEP_ALL = {"default_hooks.checkpoint.max_keep_ckpts": -1}  # until it is known which are chosen
Key = tuple[str, int]


@dataclass(frozen=True)
class Job:
    """One step or row with one seed.

    Attributes:
        step: What is made.
        seed: Of its training.
        folder: Where it is made.
        needs: The jobs that come before.
        plan: The plan that it belongs to.
    """

    step: Step
    seed: int
    folder: Path
    needs: tuple[Key, ...]
    plan: "Plan"

    @property
    def key(self) -> Key:
        """Name and seed."""
        return self.step.name, self.seed

    def __str__(self) -> str:
        return f"{self.step.name}, seed {self.seed}"

    @property
    def place(self) -> str:
        """Its folder in that of the study."""
        return str(self.folder.relative_to(self.plan.root))

    def placed(self, text: str) -> str:
        """A text in which it does not matter where the study lies."""
        return text.replace(str(self.plan.root), "ROOT")

    @property
    def given(self) -> str | None:
        """The checkpoint that is there in the place of its training, and is only tested."""
        return self.plan.given.get(self.step.name)

    @cached_property
    def cfg(self) -> Config:
        """Its config, in the study's world."""
        return load_config(self.step.config, self.options(), world=self.plan.world)

    def options(self) -> dict[str, Any]:
        """The overrides, with paths in the place of references."""
        options = {key: self.resolved(value) for key, value in self.step.cfg_options.items()}
        seeded = {"randomness.seed": self.seed} if self.step.tool == "train" else {}
        return seeded | (KEEP_ALL if self.step.is_row else {}) | options

    def resolved(self, value: Any) -> Any:
        """A value, a new one, with the paths of what it refers to."""
        if isinstance(value, Mapping):
            return {key: self.resolved(child) for key, child in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self.resolved(child) for child in value)
        if not isinstance(value, str):
            return value
        return REFERENCE.sub(lambda found: str(self.plan.product(found[1], self.seed)), value)

    def product(self) -> Path:
        """What others need of it: the last checkpoint of a training, or the images or labels.

        Raises:
            ConfigError: It is a training, and its config has none.
        """
        if self.step.tool != "train":
            return self.folder / "out"  # a translator wants a folder of its own
        iterations = (self.cfg.get("train_cfg") or {}).get("max_iters")
        if not iterations:
            raise ConfigError(
                f"{self.step.name!r}: {self.step.config} has no train_cfg.max_iters, so that it "
                f"cannot be trained: give its checkpoint with --given {self.step.name}=PATH"
            )
        return self.folder / f"iter_{iterations}.pth"

    def making(self) -> list[str]:
        """The command that makes it; the same command goes on where it was stopped."""
        step = self.step
        further = self.resolved(step.arguments)
        if step.tool == "train":
            return self.command("train", "--work-dir", str(self.folder), "--resume", *further)
        words = [self.resolved(step.checkpoint), "--out", str(self.product()), *further]
        if step.judge is not None:
            config, checkpoint = step.judge
            words += ["--segmentor", config, self.resolved(checkpoint)]
            words += ["--segmentor-world", self.plan.world] if self.plan.world else []
        return self.command(step.tool, *words)

    def testing(self, checkpoint: Path, out: Path) -> list[str]:
        """The command that tests a checkpoint."""
        return self.command("test", str(checkpoint), "--out", str(out))

    def command(self, tool: str, *words: str) -> list[str]:
        """The arguments of ``daseg`` for a tool on its config."""
        world = ["--world", self.plan.world] if self.plan.world else []
        options = [_option(key, value) for key, value in self.options().items()]
        options = ["--cfg-options", *options] if options else []
        return [tool.replace("_", "-"), self.step.config, *words, *world, *options]

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What it depends on; not where it lies."""
        step, given = self.step, sorted(set(self.plan.given) & set(self.step.references()))
        needs = [self.plan.jobs[key] for key in self.needs]
        return dict(
            tool=step.tool,
            config=step.config,
            config_sha256=_hash(self.placed(self.cfg.pretty_text)),
            checkpoint=step.checkpoint,
            arguments=list(step.arguments),
            judge=list(step.judge or ()),
            given=given,
            given_paths={name: self.placed(self.plan.given[name]) for name in given},
            needs={need.place: _hash(json.dumps(need.settings, sort_keys=True)) for need in needs},
        )

    def made_of(self) -> dict[str, str | None]:
        """By place of each job that it needs, when that was made; None where no record says it."""
        needs = [self.plan.jobs[key] for key in self.needs]
        return {need.place: need.record().get("made") for need in needs}

    def record(self) -> dict[str, Any]:
        """What is known of an earlier making of it; of none, nothing.

        Raises:
            DataError: The record cannot be read.
        """
        return read_record(self.folder)

    @property
    def state(self) -> str:
        """As its record says: "to do", "running", "stopped", "failed" or "done"."""
        return self.record().get("state", "to do")

    def begin(self) -> None:
        """Record that it is being made, how, and of what."""
        given = self.given and self.placed(self.given)
        how = dict(settings=self.settings, given=given, made_of=self.made_of())
        self.write(**how, state="running", commands=[], error=None)

    def write(self, **changes: Any) -> None:
        """Change its record."""
        record = self.record() | changes
        atomic_write_text(self.folder / RECORD, json.dumps(record, indent=2) + "\n")


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _option(key: str, value: Any) -> str:
    """``KEY=VALUE`` that ``--cfg-options`` reads back as it is: the text "1e-4" is no number."""
    for text in (str(value), repr(value)):
        option = f"{key}={text}"
        with suppress(ConfigError):
            read = parse_cfg_options([option])[key]
            if type(read) is type(value) and read == value:
                return option
    raise ConfigError(f"cfg_options {key}: {value!r} cannot be written on a command line")


class Plan:
    """All jobs of a study in a world.

    Args:
        study: The study.
        root: Folder of all that is made.
        world: "demo", "camvid"; None: the real one.
        seeds: The seeds to run, the first ones of the study.
        given: By name of a row or step, what is there already in its place: a checkpoint of a row,
            which is then only tested, or of a step what it makes.
        rows: Only these rows, and what they need. None: all.

    Raises:
        ConfigError: A name is unknown, jobs need each other in a circle, a config cannot be used.
    """

    def __init__(
        self,
        study: Study,
        root: Path,
        *,
        world: str | None = None,
        seeds: Sequence[int],
        given: Mapping[str, str] | None = None,
        rows: Sequence[str] | None = None,
    ) -> None:
        self.study, self.root, self.world, self.seeds = study, root, world, tuple(seeds)
        self.given = dict(given or {})
        self.steps = {
            step.name: step.in_world(world)
            for step in (*study.steps.values(), *study.rows.values())
        }
        for name in (*self.given, *(rows or ())):
            if name not in self.steps:
                known = did_you_mean(name, self.steps) or f"; there are {', '.join(self.steps)}"
                raise ConfigError(f"{study.name} has no row or step {name!r}{known}")
        self.jobs: dict[Key, Job] = {}
        wanted = rows if rows is not None else list(study.rows)
        for seed in self.seeds:
            for name in wanted:
                self._add(name, seed, ())
        self.jobs = {job.key: job for job in sorted(self.jobs.values(), key=self._urgency)}

    def _urgency(self, job: Job) -> tuple[int, int]:
        """A whole seed first: it is a report already. Then what most of the others wait for."""
        return self.study.seeds.index(job.seed), -len(self._waiting_for(job.key))

    def _waiting_for(self, key: Key) -> set[Key]:
        direct = {job.key for job in self.jobs.values() if key in job.needs}
        return direct.union(*map(self._waiting_for, direct))

    def _add(self, name: str, seed: int, above: tuple[str, ...]) -> Key:
        """Add a job behind those that it needs."""
        if name in above:
            raise ConfigError(
                f"{self.study.name}: {' needs '.join((*above[above.index(name) :], name))}"
            )
        step = self.steps[name]
        seed = self.seed_of(name, seed)
        given = name in self.given
        if (name, seed) not in self.jobs and (step.is_row or not given):
            references = [each for each in step.references() if each not in self.given]
            needs = [] if given else [self._add(r, seed, (*above, name)) for r in references]
            self.jobs[name, seed] = self._job(name, seed, needs)
        return name, seed

    def _job(self, name: str, seed: int, needs: Sequence[Key] = ()) -> Job:
        step = self.steps[name]
        folder = self.root / ("runs" if step.is_row else "steps") / name / f"seed_{seed}"
        return Job(step, seed, folder, tuple(needs), self)

    def seed_of(self, name: str, seed: int) -> int:
        """The seed with which a row or step is made that one of this seed needs."""
        once = self.steps[name].once or name in self.given
        return self.study.seeds[0] if once else seed

    def product(self, name: str, seed: int) -> Path:
        """What a row or step makes, or what is given in its place."""
        if name in self.given:
            return Path(self.given[name])
        key = name, self.seed_of(name, seed)
        # A row that is only tested names in its config what nobody has to make.
        return (self.jobs.get(key) or self._job(*key)).product()
