"""A job of a study: a step or row with one seed, its commands, and the record of its making."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine import Config

from daseg.config.load import load_config
from daseg.study.definition import REFERENCE, Step
from daseg.study.runs import read_record
from daseg.utils.errors import ConfigError
from daseg.utils.files import atomic_write_text
from daseg.utils.options import parse_cfg_options

if TYPE_CHECKING:
    from daseg.study.plan import Plan

KEEP_ALL = {"default_hooks.checkpoint.max_keep_ckpts": -1}  # until it is known which are chosen
Key = tuple[str, int]


@dataclass(frozen=True)
class Job:
    """One step or row with one seed.

    Attributes:
        step: The step or row.
        seed: The seed of its training.
        folder: Where it is made.
        needs: The jobs that come before.
        plan: The plan that it belongs to.
    """

    step: Step
    seed: int
    folder: Path
    needs: tuple[Key, ...]
    plan: "Plan"

    def __str__(self) -> str:
        return f"{self.step.name}, seed {self.seed}"

    @property
    def key(self) -> Key:
        """Name and seed."""
        return self.step.name, self.seed

    @property
    def place(self) -> str:
        """Its folder, from that of the study."""
        return str(self.folder.relative_to(self.plan.root))

    def placed(self, text: str) -> str:
        """The text with the study's folder replaced, so that it does not depend on it."""
        return text.replace(str(self.plan.root), "ROOT")

    @property
    def given(self) -> str | None:
        """The checkpoint that was given in the place of its training, and is only tested."""
        return self.plan.given.get(self.step.name)

    @cached_property
    def cfg(self) -> Config:
        """Its config, in the study's world."""
        return load_config(self.step.config, self.options(), world=self.plan.world)

    def options(self) -> dict[str, Any]:
        """The overrides of its config, with paths in the place of references."""
        options = {key: self.resolved(value) for key, value in self.step.cfg_options.items()}
        seeded = {"randomness.seed": self.seed} if self.step.tool == "train" else {}
        return seeded | (KEEP_ALL if self.step.is_row else {}) | options

    def resolved(self, value: Any) -> Any:
        """A copy of a value, with paths in the place of references."""
        if isinstance(value, Mapping):
            return {key: self.resolved(child) for key, child in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self.resolved(child) for child in value)
        if not isinstance(value, str):
            return value
        return REFERENCE.sub(lambda found: str(self.plan.product(found[1], self.seed)), value)

    def product(self) -> Path:
        """Its result: the last checkpoint of a training, or the folder of images or labels.

        Raises:
            ConfigError: It is a training whose config has none.
        """
        if self.step.tool != "train":
            return self.folder / "out"  # the tools need a folder of their own
        iterations = (self.cfg.get("train_cfg") or {}).get("max_iters")
        if not iterations:
            raise ConfigError(
                f"{self.step.name!r}: {self.step.config} has no train_cfg.max_iters, so that it "
                f"cannot be trained: give its checkpoint with --given {self.step.name}=PATH"
            )
        return self.folder / f"iter_{iterations}.pth"

    def making(self) -> list[str]:
        """The command that makes it; the same command continues."""
        step, further = self.step, self.resolved(self._arguments())
        if step.tool == "train":
            return self._command("train", "--work-dir", str(self.folder), "--resume", *further)
        words = [self.resolved(step.checkpoint), "--out", str(self.product()), *further]
        if step.judge is not None:
            config, checkpoint = step.judge
            words += ["--segmentor", config, self.resolved(checkpoint)]
            words += ["--segmentor-world", self.plan.world] if self.plan.world else []
        return self._command(step.tool.replace("_", "-"), *words)

    def testing(self, checkpoint: Path, out: Path) -> list[str]:
        """The command that tests a checkpoint."""
        return self._command("test", str(checkpoint), "--out", str(out))

    def _arguments(self) -> list[str]:
        devices = self.step.devices
        return [*self.step.arguments, *(["--gpus", str(devices)] if devices > 1 else [])]

    def _command(self, command: str, *words: str) -> list[str]:
        """The arguments of ``daseg``: a command, its config, further words, world and options."""
        world = ["--world", self.plan.world] if self.plan.world else []
        options = [_option(key, value) for key, value in self.options().items()]
        options = ["--cfg-options", *options] if options else []
        return [command, self.step.config, *words, *world, *options]

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What its result depends on, without the study's folder."""
        step, given = self.step, sorted(set(self.plan.given) & set(self.step.references()))
        needs = [self.plan.jobs[key] for key in self.needs]
        return dict(
            tool=step.tool,
            config=step.config,
            config_sha256=_hash(self.placed(self.cfg.pretty_text)),
            checkpoint=step.checkpoint,
            arguments=self._arguments(),
            judge=list(step.judge or ()),
            given=given,
            given_paths={name: self.placed(self.plan.given[name]) for name in given},
            needs={need.place: _hash(json.dumps(need.settings, sort_keys=True)) for need in needs},
        )

    def made_of(self) -> dict[str, str | None]:
        """When each job that it needs was made, by place; None where that is not recorded."""
        needs = [self.plan.jobs[key] for key in self.needs]
        return {need.place: need.record().get("made") for need in needs}

    def record(self) -> dict[str, Any]:
        """What is known of an earlier making of it; empty where there was none.

        Raises:
            DataError: The record cannot be read.
        """
        return read_record(self.folder)

    @property
    def state(self) -> str:
        """The state in its record: "to do", "queued", "running", "stopped", "failed" or "done"."""
        return self.record().get("state", "to do")

    def begin(self) -> None:
        """Record that it is being made, with which settings, and from what."""
        given = self.given and self.placed(self.given)
        how = dict(settings=self.settings, given=given, made_of=self.made_of())
        self.write(**how, state="running", commands=[], error=None)

    def write(self, **changes: Any) -> None:
        """Change its record."""
        record = self.record() | changes
        atomic_write_text(self.folder / "job.json", json.dumps(record, indent=2) + "\n")


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _option(key: str, value: Any) -> str:
    """``KEY=VALUE`` that ``--cfg-options`` reads back as it is: the text "1e-4" is not a number."""
    for text in (str(value), repr(value)):
        option = f"{key}={text}"
        with suppress(ConfigError):
            read = parse_cfg_options([option])[key]
            if type(read) is type(value) and read == value:
                return option
    raise ConfigError(f"cfg_options {key}: {value!r} cannot be written on a command line")
