"""Two sides do the same work in turn: ours, the peer's, ours, the peer's ..."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daseg.benchmarks.machine import machine_facts
from daseg.benchmarks.peers import PEERS
from daseg.benchmarks.worker import Measured, Run, Worker
from daseg.utils.errors import ConfigError
from daseg.utils.progress import track


@dataclass(frozen=True)
class Side:
    """One of the two that are compared; picklable, for it runs in a process of its own.

    Attributes:
        name: Whose code it is.
        make: A function of a module, called once in the new process: it imports, builds and loads
            what is not measured, and returns the run that is timed. See `Run`.
        arguments: Its keyword arguments.
    """

    name: str
    make: Callable[..., Run]
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """What is compared, and what is hoped for.

    Attributes:
        name: The work, with its sizes.
        ours: daseg's side.
        peer: The other side; None: its code was not given, or there is none.
        peer_name: Whose code it would be, where ``peer`` is None.
        target: The ratio of the seconds, ours by the peer's, that is to be reached; without any
            peer, the seconds themselves.
        memory_target: The same of the peak memory.
        same: Values of the runs that must agree, with the largest relative difference: the two
            sides do the same work. The first runs are compared.
        repeats: Timed runs of each side, where not those of the settings: where a run takes long.
        warmup: Runs before these, which are not timed.
    """

    name: str
    ours: Side
    peer: Side | None = None
    peer_name: str | None = None
    target: float | None = None
    memory_target: float | None = None
    same: Mapping[str, float] = field(default_factory=dict)
    repeats: int | None = None
    warmup: int = 1


@dataclass(frozen=True)
class Settings:
    """What the command line says; every benchmark takes the first four.

    Attributes:
        peers: Path of each peer's public code, by the names of `PEERS`.
        threads: Threads of each side.
        repeats: Timed runs of each side.
        device: Where networks run.
        size: (width, height) of the images.
        batch: Images a step.
        amp: Run the networks under autocast, where the peer does not.
        tile: Side of the tiles of a translation.
        inputs: A config and, after it, a checkpoint.
        world: Take the config as it is in a small world.
        cfg_options: Overrides of the config by dotted key.
    """

    peers: Mapping[str, Path] = field(default_factory=dict)
    threads: int = 1
    repeats: int = 5
    device: str = "cpu"
    size: tuple[int, int] | None = None
    batch: int | None = None
    amp: bool = False
    tile: int | None = None
    inputs: tuple[str, ...] = ()
    world: str | None = None
    cfg_options: Mapping[str, Any] = field(default_factory=dict)

    def peer(self, name: str, make: Callable[..., Run], **arguments: Any) -> Side | None:
        """The side of a peer, whose ``make`` is also given ``path``; None: no path was given."""
        assert name in PEERS, name
        if name not in self.peers:
            return None
        return Side(name, make, dict(arguments, path=str(self.peers[name])))

    def refuse_unused(self, benchmark: str, used: frozenset[str]) -> None:
        """Refuse settings that a benchmark does not read.

        Raises:
            ConfigError: One is given.
        """
        optional = ("size", "batch", "amp", "tile", "inputs", "world", "cfg_options")
        given = [name for name in optional if getattr(self, name) and name not in used]
        if given:
            raise ConfigError(f"daseg benchmark {benchmark} does not read {', '.join(given)}")


def run_comparisons(
    benchmark: str, title: str, comparisons: list[Comparison], settings: Settings, command: str
) -> dict[str, Any]:
    """Measure all of them, one after the other.

    Args:
        benchmark: Its name.
        title: What it measures, in a line.
        comparisons: What is compared.
        settings: Threads, device and number of runs.
        command: The command line, for the record.

    Returns:
        The record: plain values, as they are written into the JSON file.

    Raises:
        ConfigError: A side cannot run, or the two do different work.
    """
    if settings.repeats < 1 or settings.threads < 1:
        raise ConfigError("a benchmark needs at least 1 thread and 1 run (--threads, --repeats)")
    machine = machine_facts(settings.threads, settings.device)
    found = [_compared(each, settings) for each in comparisons]
    what = dict(format=1, benchmark=benchmark, title=title, command=command)
    return what | dict(machine=machine, comparisons=found)


def _compared(comparison: Comparison, settings: Settings) -> dict[str, Any]:
    sides = [comparison.ours] + ([comparison.peer] if comparison.peer else [])
    repeats = comparison.repeats or settings.repeats
    with ExitStack() as stack:
        workers = [
            stack.enter_context(Worker(s.name, s.make, s.arguments, settings.threads))
            for s in sides
        ]
        for _ in range(comparison.warmup):
            for worker in workers:
                worker.run(timed=False)
        begun = time.time()
        load = machine_facts(settings.threads, settings.device)["load"]
        for _ in track(range(repeats), repeats, comparison.name):
            for worker in workers:
                worker.run()
        measured = [worker.end() for worker in workers]
    _check_same(comparison, measured)
    record = dict(
        name=comparison.name,
        target=comparison.target,
        memory_target=comparison.memory_target,
        not_measured=comparison.peer_name if comparison.peer is None else None,
        load_before=load,
        took=round(time.time() - begun, 1),
    )
    return record | dict(sides=[m.record() for m in measured])


def _check_same(comparison: Comparison, measured: list[Measured]) -> None:
    """Refuse to compare sides whose values differ."""
    if len(measured) < 2:
        return
    ours, peer = measured
    for key, tolerance in comparison.same.items():
        mine, theirs = ours.values[key], peer.values[key]
        if not math.isclose(mine, theirs, rel_tol=tolerance):
            raise ConfigError(
                f"{comparison.name}: {ours.name} and {peer.name} do different work: {key} is "
                f"{mine} and {theirs}, which differ by more than {tolerance:g} of it"
            )
