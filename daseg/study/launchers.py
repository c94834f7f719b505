"""Launchers run the jobs of a study: on this machine, or elsewhere."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch

from daseg.config.arguments import accepted_arguments
from daseg.plugins import load_plugins
from daseg.registry import LAUNCHERS, did_you_mean
from daseg.study.jobs import Job
from daseg.study.making import Maker
from daseg.utils.errors import ConfigError

CPU = "cpu"


class Launcher(ABC):
    """Runs the jobs of a study.

    A subclass that is registered in `daseg.registry.LAUNCHERS` is named in a study's file:
    ``launcher = dict(type="MyLauncher", ...)``.

    Attributes:
        slots: What jobs occupy while they run, such as the devices; their number is how many can
            run at a time.
    """

    slots: Sequence[str]

    def choose(self, job: Job, free: Sequence[str]) -> list[str] | None:
        """The slots that a job takes of those that are free; None: there are too few."""
        return list(free[:1]) or None

    def check(self, job: Job) -> None:
        """Check that a job can run, before any job is begun.

        Raises:
            ConfigError: A job needs more devices than there are.
        """
        if self.choose(job, self.slots) is None:
            raise ConfigError(
                f"{job.step.name!r}: devices={job.step.devices}, and there are "
                f"{', '.join(self.slots)}"
            )

    @abstractmethod
    def run(self, job: Job, slots: Sequence[str]) -> tuple[str, bool]:
        """Make a job unless it is done; called in a thread of its own.

        `daseg.study.making.Maker` makes it, wherever that is, and keeps the record in its folder.

        Returns:
            What came out, in words, and whether it was made now.

        Raises:
            JobLockedError: Another process is making it.
            UserError: The job failed.
        """

    @abstractmethod
    def stop(self) -> None:
        """End what is running; `run` begins nothing any more."""


@LAUNCHERS.register_module()
class Local(Launcher):
    """Runs jobs on this machine, each on a device or several of its own.

    Args:
        devices: "cpu", "cuda:0", ...; None: every GPU, or without any the processor.
        jobs: How many run at a time, dealt to the devices in turn. None: one on each; on the
            processor alone one for each core, up to 4.

    Raises:
        ConfigError: There is no such device, or no job.
    """

    def __init__(self, devices: Sequence[str] | None = None, jobs: int | None = None) -> None:
        if jobs is not None and jobs < 1:
            raise ConfigError(f"--jobs {jobs}: at least one job runs at a time")
        there = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
        for device in devices or ():
            if device not in (CPU, *there):
                raise ConfigError(f"--devices {device}: there are {', '.join([CPU, *there])}")
        names = list(devices or there) or [CPU] * min(4, os.cpu_count() or 1)
        self.slots = [names[number % len(names)] for number in range(jobs or len(names))]
        self._maker = Maker(partial(print, flush=True))  # at once into a file, too

    def choose(self, job: Job, free: Sequence[str]) -> list[str] | None:
        """The devices of a job: different GPUs, or places on the processor."""
        gpus = list(dict.fromkeys(slot for slot in free if slot != CPU))
        for slots in (gpus, [slot for slot in free if slot == CPU]):
            if len(slots) >= job.step.devices:
                return slots[: job.step.devices]
        return None

    def run(self, job: Job, slots: Sequence[str]) -> tuple[str, bool]:
        """Make the job on these devices."""
        return self._maker.make(job, ", ".join(dict.fromkeys(slots)), self._environment(slots))

    def stop(self) -> None:
        """End all commands, as by SIGTERM."""
        self._maker.stop()

    def _environment(self, slots: Sequence[str]) -> dict[str, str]:
        if CPU not in slots:
            visible = os.environ.get("CUDA_VISIBLE_DEVICES")  # GPUs are counted among these
            numbers = [int(slot.partition(":")[2]) for slot in slots]
            names = visible.split(",") if visible else list(map(str, range(max(numbers) + 1)))
            return {"CUDA_VISIBLE_DEVICES": ",".join(names[number] for number in numbers)}
        threads = max(1, (os.cpu_count() or 1) // len(self.slots))
        stated = os.environ.get("OMP_NUM_THREADS")  # by the user, who knows better
        return {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": stated or str(threads)}


def build_launcher(
    stated: Mapping[str, Any] | None = None,
    other: Launcher | str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Launcher:
    """The launcher of a study.

    Args:
        stated: What the study's file says, with its ``type``; None: nothing.
        other: Another launcher than the file says: built, or its name in any capitals.
        options: Arguments that take the place of the file's.

    Raises:
        ConfigError: There is no such launcher, or it has no such argument.
    """
    if isinstance(other, Launcher):
        return other
    load_plugins()
    names = {each.lower(): each for each in LAUNCHERS.names()}
    settings = dict(stated or dict(type="Local"))
    if "type" not in settings:
        raise ConfigError("the study's file names a launcher as launcher = dict(type=...)")
    kind = settings.pop("type")
    if other is not None and names.get(other.lower(), other) != kind:
        kind, settings = names.get(other.lower(), other), {}
    settings |= options or {}
    known = accepted_arguments(LAUNCHERS.get(kind)) or settings
    for key in settings:
        if key not in known:
            near = did_you_mean(key, known) or f"; it has {', '.join(sorted(known))}"
            raise ConfigError(f"the launcher {kind} has no argument {key!r}{near}")
    launcher: Launcher = LAUNCHERS.build(dict(type=kind, **settings))
    return launcher
