"""What the first of several processes does beside the steps, and how they share a validation."""

import os
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from daseg.benchmarks.worker import Run
from daseg.config.load import load_config
from daseg.engine.runner import Runner
from daseg.utils.writable import check_folder
from daseg.worlds.drawing import make_world

CONFIG = "demo/adapted"
ITERATIONS, LOGGED, DRAWN = 60, 10, 20  # the last one is saved, too
VALIDATED = 6  # images


class Beside:
    """Notes how long each hook takes after each iteration, the train steps, and images validated.

    Args:
        runner: The runner, which has not trained yet.
    """

    def __init__(self, runner: Runner) -> None:
        self.hooks: dict[str, list[tuple[float, float]]] = {}
        self.steps: list[tuple[float, float]] = []
        self.images = 0
        for hook in runner.hooks:
            found = self.hooks[type(hook).__name__] = []
            hook.after_train_iter = _timed(hook.after_train_iter, found)
        runner.model.train_step = _timed(runner.model.train_step, self.steps)
        inner = runner.model.val_step

        def counted(data: Any) -> Any:
            self.images += len(data["image"])
            return inner(data)

        runner.model.val_step = counted


def _timed(inner: Callable[..., Any], found: list[tuple[float, float]]) -> Callable[..., Any]:
    def timed(*args: Any, **kwargs: Any) -> Any:
        begin, cpu = time.perf_counter(), time.thread_time()
        result = inner(*args, **kwargs)
        found.append((time.perf_counter() - begin, time.thread_time() - cpu))
        return result

    return timed


def join_group(rank: int, count: int, folder: str, device: str) -> str:
    """Meet the other processes; return the device of this one.

    Args:
        rank: The number of this process.
        count: How many there are.
        folder: Where they meet.
        device: "cuda": a GPU for each process, and NCCL. With fewer GPUs than processes, or with
            the number of one, as in "cuda:1", all of them share one GPU and talk through gloo,
            since NCCL refuses that. "cpu": gloo.
    """
    place = torch.device(device)
    own = place.type == "cuda" and place.index is None and count <= torch.cuda.device_count()
    if place.type == "cuda":
        place = torch.device("cuda", rank if own else place.index or 0)
        torch.cuda.set_device(place)
    meet = f"file://{folder}/meet"
    backend = "nccl" if own else "gloo"
    dist.init_process_group(backend, init_method=meet, rank=rank, world_size=count)
    return str(place)


def train_together(count: int, threads: int, device: str = "cpu") -> Run:
    """A short training of the embedded world with all hooks, in ``count`` processes."""
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # for them: a runner takes a GPU where there is one
    folder = tempfile.TemporaryDirectory()
    world = Path(folder.name, "world")
    make_world(root=world, num_source=8, num_target=8, num_val=VALIDATED, num_test=1)
    os.environ["DASEG_DEMO"] = str(world)

    def run() -> dict[str, float]:
        with tempfile.TemporaryDirectory(dir=folder.name) as own:
            mp.spawn(work, (count, own, threads, device), nprocs=count)
            return summary([torch.load(Path(own, f"{rank}.pth")) for rank in range(count)])

    return run


def work(rank: int, count: int, folder: str, threads: int, device: str) -> None:
    """One of the processes; it writes down what it has measured."""
    torch.set_num_threads(threads)
    join_group(rank, count, folder, device)
    options = {
        "model.segmentor.backbone.weights": None,
        "val_dataloader.batch_size": 1,
        "train_cfg": dict(max_iters=ITERATIONS, val_interval=ITERATIONS),
    }
    cfg = load_config(CONFIG, options)
    cfg.launcher = "pytorch"
    cfg.work_dir = str(check_folder(Path(folder, "run"), "--work-dir"))
    hooks = cfg.default_hooks
    observatory = next(hook for hook in cfg.custom_hooks if hook["type"] == "ObservatoryHook")
    drawn = observatory["picture_interval"]
    intervals = dict(logged=hooks.logger.interval, drawn=drawn, saved=hooks.checkpoint.interval)
    observatory.update(interval=LOGGED, picture_interval=DRAWN)
    hooks.logger.interval, hooks.checkpoint.interval = LOGGED, ITERATIONS
    runner = Runner.from_cfg(cfg)
    beside = Beside(runner)
    runner.train()
    found = dict(hooks=beside.hooks, steps=beside.steps, images=beside.images)
    torch.save(found | dict(intervals=intervals), Path(folder, f"{rank}.pth"))
    dist.barrier()
    dist.destroy_process_group()


def summary(processes: list[dict[str, Any]]) -> dict[str, float]:
    """What the hooks of the first process cost the others, and who has validated what.

    The others wait for it, at their next collective, at most for the time of its hooks without the
    CPU time of their own (in some of their hooks they wait for it, too).

    Args:
        processes: Of each ``hooks``, the pairs of time and CPU time after each iteration, by hook;
            ``steps``, those of the train steps; ``images``, how many it has validated; and
            ``intervals``, how often the config logs, draws and saves.

    Returns:
        Milliseconds of a step; milliseconds that the others wait after an ordinary iteration, and
        after one that is logged, also drawn, also saved; the sum in percent of a step, with the
        config's intervals; and the images of each process.
    """
    first, *others = processes
    numbers = range(len(first["steps"]))
    busy = [sum(own[i][0] for own in first["hooks"].values()) for i in numbers]
    idle = [
        min(sum(own[i][1] for own in other["hooks"].values()) for other in others) for i in numbers
    ]
    waited: dict[str, list[float]] = {kind: [] for kind in ("ordinary", "logged", "drawn", "saved")}
    for i in numbers[1:]:  # all log the first one
        done = i + 1
        due = [done % LOGGED == 0, done % DRAWN == 0, done == len(numbers)]
        waited[list(waited)[sum(due)]].append(1000 * max(0.0, busy[i] - idle[i]))
    each = {kind: median(values) for kind, values in waited.items()}
    step = 1000 * median(seconds for seconds, _ in first["steps"])
    more = {b: (each[b] - each[a]) / first["intervals"][b] for a, b in pairwise(each)}
    share = 100 * (each["ordinary"] + sum(more.values())) / step
    found = dict(ms_step=step) | {f"ms_waited_{kind}": value for kind, value in each.items()}
    images = {f"images_validated_{rank}": own["images"] for rank, own in enumerate(processes)}
    return found | dict(percent_waited=share) | images
