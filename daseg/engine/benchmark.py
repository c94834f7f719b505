"""Measure how fast a translation is, what it computes and how much memory it takes."""

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
from prettytable import PrettyTable
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from daseg.api import usable_device
from daseg.config.load import load_config
from daseg.offline.translation.translators import trained_translation
from daseg.utils.errors import ConfigError
from daseg.utils.progress import track

MIB = 1 << 20


class Case(NamedTuple):
    """What is measured; plain values, which a child process can be given.

    Attributes:
        config: A config of a `CycleGAN`.
        checkpoint: Its weights; None: random ones, which are as fast.
        size: (width, height) of the image.
        tile: Side of the tiles; None: the whole image at once.
        device: Where it runs.
        world: Take the config as it is in a small world.
        cfg_options: Overrides by dotted key.
    """

    config: str
    checkpoint: str | None
    size: tuple[int, int]
    tile: int | None
    device: str
    world: str | None = None
    cfg_options: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """What the table calls it."""
        return "whole" if self.tile is None else f"tiles of {self.tile}"

    def image(self) -> Tensor:
        """An image (1,3,H,W) uint8 of noise, the same for every case."""
        width, height = self.size
        generator = torch.Generator().manual_seed(0)
        return torch.randint(256, (1, 3, height, width), generator=generator, dtype=torch.uint8)

    def build(self) -> Callable[[Tensor], Tensor]:
        """The translation, ready to run."""
        cfg = load_config(self.config, dict(self.cfg_options or {}), world=self.world)
        checkpoint = None if self.checkpoint is None else Path(self.checkpoint)
        place = usable_device(self.device)
        return trained_translation(cfg, checkpoint, device=place, tile=self.tile)


@dataclass
class Measurement:
    """What came out.

    Attributes:
        case: What was measured.
        macs: Multiplications with addition, of convolutions and matrix products.
        seconds: Time of each run.
        memory: Most bytes that the run held at a time, beside what was there before it: of the
            device with CUDA; else of a process of its own, as resident memory.
    """

    case: Case
    macs: int
    seconds: list[float]
    memory: int


def benchmark(cases: list[Case], repeats: int = 5) -> list[Measurement]:
    """Measure cases in turn, again and again: what else the machine does meets all of them.

    Args:
        cases: What to measure.
        repeats: Timed runs of each, after one that is not timed.

    Raises:
        ConfigError: ``repeats`` is less than 1, or a case cannot be built.
    """
    if repeats < 1:
        raise ConfigError(f"repeats is at least 1, not {repeats}")
    runs = [case.build() for case in cases]
    images = [case.image() for case in cases]
    macs = [count_macs(run, image) for run, image in zip(runs, images, strict=True)]  # warms up
    seconds: list[list[float]] = [[] for _ in cases]
    for _ in track(range(repeats), repeats, "timing"):
        for times, run, image in zip(seconds, runs, images, strict=True):
            times.append(timed(run, image))
    peaks = [peak_memory(c, r, i) for c, r, i in zip(cases, runs, images, strict=True)]
    return [Measurement(*parts) for parts in zip(cases, macs, seconds, peaks, strict=True)]


def report(found: list[Measurement]) -> str:
    """The table, and how much slower each case is than the first, run against run."""
    first = found[0]
    table = PrettyTable(["", "GMACs", "seconds", "images/s", "memory (MiB)"], align="r")
    table.align[""] = "l"
    for each in found:
        middle = median(each.seconds)
        row = [f"{each.macs / 1e9:.1f}", f"{middle:.3f}", f"{1 / middle:.2f}"]
        table.add_row([each.case.name, *row, f"{each.memory / MIB:.0f}"])
    width, height = first.case.size
    device = first.case.device
    is_gpu = torch.device(device).type == "cuda"
    threads = f"{device}, {torch.get_num_threads()} threads"
    machine = torch.cuda.get_device_name(device) if is_gpu else threads
    head = f"one image of {width}x{height} on {machine}; medians of "
    lines = [f"{head}{len(first.seconds)} runs each, in turn", table.get_string()]
    for each in found[1:]:
        ratios = sorted(b / a for a, b in zip(first.seconds, each.seconds, strict=True))
        lines.append(
            f"{each.case.name} / {first.case.name}: {median(ratios):.2f} times the seconds "
            f"(of the runs: {ratios[0]:.2f} to {ratios[-1]:.2f})"
        )
    return "\n".join(lines)


def count_macs(run: Callable[[Tensor], Tensor], image: Tensor) -> int:
    """Multiplications with addition of one run; torch counts both, and so twice as many."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run(image)
    return counter.get_total_flops() // 2


def timed(run: Callable[[Tensor], Tensor], image: Tensor) -> float:
    """Seconds of one run, the way to the device and back included."""
    begin = time.perf_counter()
    run(image).cpu()
    return time.perf_counter() - begin


def peak_memory(case: Case, run: Callable[[Tensor], Tensor], image: Tensor) -> int:
    """Bytes that one run takes at its peak, beside the weights."""
    if torch.device(case.device).type != "cuda":
        return _in_child(case)
    before = torch.cuda.memory_allocated(case.device)
    torch.cuda.reset_peak_memory_stats(case.device)
    run(image)
    return torch.cuda.max_memory_allocated(case.device) - before


def _in_child(case: Case) -> int:
    """The same, measured in a process that has held nothing else before."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    threads = torch.get_num_threads()
    child = context.Process(target=_measure, args=(case, threads, there))
    child.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        raise ConfigError(
            f"{case.name}: the process that measures its memory ended early; is there enough?"
        ) from None
    finally:
        child.join()


def _measure(case: Case, threads: int, out: Connection) -> None:
    torch.set_num_threads(threads)
    run, image = case.build(), case.image()
    _forget_peak()
    before = _resident("VmRSS")
    with torch.no_grad():
        run(image)
    out.send(_resident("VmHWM") - before)


def _forget_peak() -> None:
    """Let the peak start anew, where the system can: what was imported took memory too."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _resident(which: str) -> int:
    """Bytes of this process in memory, now (VmRSS) or at its peak (VmHWM)."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:  # no Linux: only the peak is known, from the process's start on
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    line = next(line for line in status.splitlines() if line.startswith(f"{which}:"))
    return int(line.split()[1]) * 1024
