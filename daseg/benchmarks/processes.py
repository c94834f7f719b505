"""One, two and four processes that train together: images a second, bytes a step, and waiting."""

import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from daseg.benchmarks.compare import Comparison, Settings, Side
from daseg.benchmarks.first_process import join_group, train_together
from daseg.benchmarks.synthetic import classes_of_model, noise, pair, training_of
from daseg.benchmarks.worker import Run
from daseg.engine.distributed import NetworkDDP

OPTIONS: frozenset[str] = frozenset(("inputs", "size", "batch", "world"))
CONFIG = "adaptseg/multi_vanilla"
STEPS = 3


def compare(settings: Settings) -> list[Comparison]:
    """The same batch for each process; there is no peer. See `join_group` for devices."""
    options = dict(
        config=settings.inputs[0] if settings.inputs else CONFIG,
        size=settings.size or (128, 64),
        batch=settings.batch or 1,
        threads=settings.threads,
        world=settings.world,
        device=settings.device,
    )
    beside = Comparison(
        "a training of the embedded world with all hooks, 2 processes",
        Side(
            "daseg", train_together, dict(count=2, threads=settings.threads, device=settings.device)
        ),
        repeats=1,
        warmup=0,
    )
    steps = [
        Comparison(
            f"{options['config']}, {count} process{'es' if count > 1 else ''}",
            Side("daseg", together, dict(options, count=count)),
            repeats=1,
            warmup=0,
        )
        for count in (1, 2, 4)
    ]
    return [*steps, beside]


class Sent(TorchDispatchMode):
    """Counts the bytes of the tensors that each kind of collective is called with."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func.namespace == "c10d":
            name = func._opname.strip("_")
            tensors = [each for each in tree_leaves(args) if isinstance(each, Tensor)]
            self.bytes[name] += sum(each.numel() * each.element_size() for each in tensors)
            self.calls[name] += 1
        return func(*args, **(kwargs or {}))


def together(
    config: str,
    size: tuple[int, int],
    batch: int,
    threads: int,
    count: int,
    world: str | None,
    device: str = "cpu",
) -> Run:
    """Some steps in ``count`` processes.

    It returns the seconds of a step, images of each domain a second, and of a step the MiB of
    gradients that there are, of all-reduces, and of broadcasts (running statistics).
    """
    options = dict(config=config, size=size, batch=batch, threads=threads)
    options |= dict(world=world, device=device)

    def run() -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            mp.spawn(work, (count, folder, options), nprocs=count)
            found: dict[str, float] = torch.load(Path(folder, "found.pth"))
        return found

    return run


def work(rank: int, count: int, folder: str, options: dict[str, Any]) -> None:
    """One of the processes; the first writes down what it has measured."""
    torch.set_num_threads(options["threads"])
    device = join_group(rank, count, folder, options["device"])
    model, optimizers = training_of(options["config"], device=device, world=options["world"])
    trained = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    data = pair(noise(options["batch"], options["size"], classes_of_model(model)))
    wrapped = NetworkDDP(model)
    seconds = []
    for _ in range(1 + STEPS):
        begin = time.perf_counter()
        wrapped.train_step(data, optimizers)
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    with Sent() as sent:
        wrapped.train_step(data, optimizers)
    if rank == 0:
        step = median(seconds[1:])
        mib = {name: value / 2**20 for name, value in sent.bytes.items()}
        found = dict(
            seconds=step,
            images_a_second=count * options["batch"] / step,
            mib_gradients=trained / 2**20,
            mib_all_reduced=mib.pop("allreduce", 0.0),
            mib_broadcast=mib.pop("broadcast", 0.0),
            mib_others=sum(mib.values()),
            all_reduces=sent.calls["allreduce"],
        )
        torch.save(found, Path(folder, "found.pth"))
    dist.barrier()
    dist.destroy_process_group()
