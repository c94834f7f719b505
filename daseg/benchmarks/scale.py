"""How the cost of training grows: with iterations, size, batch and classes, and beside the step."""

import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch
from mmengine.hooks import Hook

from daseg.benchmarks.compare import Comparison, Settings, Side
from daseg.benchmarks.growth import STEP
from daseg.benchmarks.synthetic import noise, pair, training_of
from daseg.benchmarks.tiny import write_config, write_images
from daseg.benchmarks.worker import Run, resident
from daseg.config.load import load_config
from daseg.engine.runner import Runner
from daseg.utils.writable import check_folder
from daseg.worlds.drawing import make_world

OPTIONS: frozenset[str] = frozenset(("inputs",))
ITERATIONS = 10_000
CONFIG = "demo/source_only"  # of what grows; another one is an input
CHECKPOINTED = "ResNet-50", "adaptseg/source_only"  # whose backbone can keep blocks' inputs alone
SIZES = (128, 64), (192, 96), (256, 128), (384, 192), (512, 256)
BATCHES = 2, 4, 6, 8
RESNET_BATCHES = 1, 2, 4
CLASSES = 19, 50, 100, 150


def compare(settings: Settings) -> list[Comparison]:
    """One process for each point; there is no peer."""
    config = settings.inputs[0] if settings.inputs else CONFIG
    options = dict(config=config, device=settings.device)
    points: list[tuple[str, dict[str, Any], int]] = [
        ("size", dict(size=size), size[0] * size[1]) for size in SIZES
    ]
    points += [("batch", dict(batch=batch), batch) for batch in BATCHES]
    name, resnet = CHECKPOINTED
    for kind, saving in ((name, False), (f"{name} with checkpointing", True)):
        own = dict(config=resnet, backbone=dict(depth=50, checkpointing=saving))
        points += [(f"batch, {kind}", dict(own, batch=batch), batch) for batch in RESNET_BATCHES]
    points += [("classes", dict(classes=classes), classes) for classes in CLASSES]
    grows = [
        Comparison(f"{STEP}{what}, {x}", Side("daseg", step, dict(options, **own)), repeats=3)
        for what, own, x in points
    ]
    flat = Comparison(
        f"a tiny network, {ITERATIONS} iterations",
        Side("daseg", long_run, dict(iterations=ITERATIONS)),
        repeats=1,
        warmup=0,
    )
    beside = Comparison(
        "an iteration of demo/source_only with all hooks",
        Side("daseg", iterations, dict(device=settings.device)),
        repeats=1,
        warmup=0,
    )
    return [beside, flat, *grows]


def step(
    config: str,
    device: str,
    size: tuple[int, int] = (256, 128),
    batch: int = 2,
    classes: int = 19,
    backbone: Mapping[str, Any] | None = None,
) -> Run:
    """A train step of noise; ``backbone`` overrides arguments of the config's backbone."""
    own = dict(backbone or {})
    options: dict[str, Any] = {f"model.segmentor.backbone.{k}": v for k, v in own.items()}
    options["model.segmentor.num_classes"] = classes
    if config == CONFIG:  # without its class weights, of which there are 19
        options["model.objectives"] = [dict(type="Supervised")]
    model, optimizers = training_of(config, device=device, cfg_options=options)
    data = pair(noise(batch, size, classes))

    def run() -> None:
        model.train_step(data, optimizers)

    return run


class Stopwatch(Hook):
    """Seconds of each iteration and of its train step, and the memory of the process.

    Args:
        runner: The runner, which has not trained yet.
    """

    def __init__(self, runner: Runner) -> None:
        self.steps: list[float] = []
        self.ends: list[float] = []
        self.resident: list[int] = []
        inner = runner.model.train_step

        def timed(*args: Any, **kwargs: Any) -> Any:
            begin = time.perf_counter()
            losses = inner(*args, **kwargs)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self.ends.append(time.perf_counter())
            self.steps.append(self.ends[-1] - begin)
            if len(self.ends) % 100 == 0:
                self.resident.append(resident("VmRSS"))
            return losses

        runner.model.train_step = timed

    def values(self, first: int, last: int) -> dict[str, float]:
        """Means from the iteration after ``first`` to ``last``, and the share beside the step."""
        whole = (self.ends[last - 1] - self.ends[first - 1]) / (last - first)
        inside = sum(self.steps[first:last]) / (last - first)
        return dict(seconds=whole, step=inside, percent_beside_the_step=100 * (1 - inside / whole))


def _trained(cfg: Any, folder: str) -> Stopwatch:
    cfg.work_dir = str(check_folder(Path(folder, "run"), "--work-dir"))
    runner = Runner.from_cfg(cfg)
    watch = Stopwatch(runner)
    runner.train()
    return watch


def iterations(device: str, count: int = 25, skipped: int = 5) -> Run:
    """A training of the embedded world with all hooks, without validation and checkpoints."""
    folder = tempfile.TemporaryDirectory()
    make_world(root=Path(folder.name, "world"), num_source=16, num_target=1, num_val=1, num_test=1)
    os.environ["DASEG_DEMO"] = str(Path(folder.name, "world"))

    def run() -> dict[str, float]:
        cfg = load_config(CONFIG, {"train_cfg.max_iters": count, "default_hooks.checkpoint": None})
        for part in ("dataloader", "cfg", "evaluator"):
            cfg.pop(f"val_{part}", None)
        return _trained(cfg, folder.name).values(skipped, count)

    return run


def long_run(iterations: int) -> Run:
    """A training of a tiny network: its first and last thousand iterations, and what it holds."""
    folder = tempfile.TemporaryDirectory()
    write_images(Path(folder.name, "data"))
    config = write_config(Path(folder.name, "data"), iterations)

    def run() -> dict[str, float]:
        watch = _trained(load_config(config), folder.name)
        tenth = iterations // 10
        durations = [b - a for a, b in zip(watch.ends, watch.ends[1:], strict=False)]
        early, late = durations[tenth : 2 * tenth], durations[-tenth:]
        held = watch.resident
        return dict(
            ms_early=1000 * median(early),
            ms_late=1000 * median(late),
            mib_at_a_tenth=held[len(held) // 10] / 2**20,
            mib_at_the_end=held[-1] / 2**20,
        )

    return run
