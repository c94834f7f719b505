"""Time and memory of train steps and predictions at real sizes.

    python tests/gpu/measure.py OUT.json --device cuda steps
    python tests/gpu/measure.py OUT.json --device cuda modern
    python tests/gpu/measure.py OUT.json --device cpu steps       # tiny, to try the script

Each network starts from random weights and sees random images, which takes as long as real ones.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from daseg.benchmarks.synthetic import classes_of_model, noise, pair, training_of
from daseg.config.load import load_config
from daseg.engine.fit import fit
from daseg.segmentor import build_segmentor, without_initial_weights

ROOT = Path(__file__).parents[2]
ADAPT = "configs/adaptseg/multi_vanilla.py"
# name: config, batch, size (height, width) of source and target, precision, TensorFloat-32
Case = tuple[str, int, tuple[int, int], tuple[int, int], str | None, bool]
CASES: dict[str, Case] = {
    "AdaptSegNet 1280x720 + 1024x512, float32": (ADAPT, 1, (720, 1280), (512, 1024), None, False),
    "AdaptSegNet 1280x720 + 1024x512, TF32": (ADAPT, 1, (720, 1280), (512, 1024), None, True),
    "AdaptSegNet 1280x720 + 1024x512, bfloat16": (
        ADAPT, 1, (720, 1280), (512, 1024), "bfloat16", True,
    ),
    "AdaptSegNet 1280x720 + 1024x512, float16": (
        ADAPT, 1, (720, 1280), (512, 1024), "float16", True,
    ),
    "DACS 512x512, batch 2, bfloat16": (
        "configs/dacs/dacs.py", 2, (512, 512), (512, 512), "bfloat16", True,
    ),
    "CycleGAN 256x256, float32": (
        "configs/cyclegan/gta2cityscapes.py", 1, (256, 256), (256, 256), None, False,
    ),
    "CycleGAN 256x256, bfloat16": (
        "configs/cyclegan/gta2cityscapes.py", 1, (256, 256), (256, 256), "bfloat16", True,
    ),
}  # fmt: skip
DAFORMER, MIC = "configs/daformer/gta5_mitb5.py", "configs/mic/gta5_mitb5.py"
CROP, LARGE_CROP = (512, 512), (1024, 1024)
MODERN: dict[str, Case] = {
    "DAFormer-B5 512x512, batch 2, float32": (DAFORMER, 2, CROP, CROP, None, False),
    "DAFormer-B5 512x512, batch 2, bfloat16": (DAFORMER, 2, CROP, CROP, "bfloat16", True),
    "MIC-HRDA-B5 1024x1024, batch 2, bfloat16": (MIC, 2, LARGE_CROP, LARGE_CROP, "bfloat16", True),
}
# What authors and users say of the public codes, in float32; seconds: the hours of 40,000 steps.
PUBLISHED = {
    DAFORMER: dict(memory_gb=9.8, seconds=1.44, of="DAFormer, 16 h on an RTX 2080 Ti"),
    MIC: dict(memory_gb=22.5, seconds=2.88, of="HRDA without MIC, 32 h on a Titan RTX"),
}


class Machine:
    """The device; a CPU measures at an eighth of each side, in a small world, once.

    Args:
        device: "cuda" or "cpu".
    """

    def __init__(self, device: str) -> None:
        self.device, self.is_gpu = device, device == "cuda"
        self.world = None if self.is_gpu else "demo"
        self.repeats, self.warm_up = (10, 3) if self.is_gpu else (1, 1)

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The (height, width) that is measured where this one is meant."""
        return size if self.is_gpu else (size[0] // 8, size[1] // 8)

    def noise(self, count: int, size: tuple[int, int], classes: int = 19) -> dict[str, Any]:
        """A batch as a loader gives it: in pinned memory, where there is a GPU."""
        height, width = self.size(size)
        return noise(count, (width, height), classes, pin=self.is_gpu)

    def wait(self) -> None:
        """Until all is computed."""
        if self.is_gpu:
            torch.cuda.synchronize()

    def times(self, run: Callable[[], Any]) -> dict[str, Any]:
        """Median seconds of a run, and the most memory that PyTorch allocates in one."""
        for _ in range(self.warm_up):
            run()
        self.wait()
        if self.is_gpu:
            torch.cuda.reset_peak_memory_stats()
        seconds = []
        for _ in range(self.repeats):
            begin = time.perf_counter()
            run()
            self.wait()
            seconds.append(time.perf_counter() - begin)
        memory = torch.cuda.max_memory_allocated() / 2**20 if self.is_gpu else None
        return dict(seconds=round(statistics.median(seconds), 5), memory_mib=memory)

    @contextmanager
    def may_not_wait(self) -> Iterator[None]:
        """An error where the body waits for the GPU."""
        if self.is_gpu:
            torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            if self.is_gpu:
                torch.cuda.set_sync_debug_mode("default")


def train_step(machine: Machine, case: Case) -> dict[str, Any]:
    """Seconds and memory of a step without loading and logging; its first losses."""
    config, count, source_size, target_size, dtype, tf32 = case
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    if dtype == "float16" and not machine.is_gpu:
        return dict(skipped="float16 needs a GPU")
    model, optimizers = training_of(
        ROOT / config, device=machine.device, world=machine.world, amp=dtype
    )
    classes = classes_of_model(model)
    data = pair(*(machine.noise(count, size, classes) for size in (source_size, target_size)))
    losses = {k: float(v) for k, v in model.train_step(data, optimizers).items() if "loss" in k}
    found = machine.times(lambda: model.train_step(data, optimizers))
    try:
        with machine.may_not_wait():
            model.train_step(data, optimizers)
        waits = None
    except RuntimeError as error:
        waits = str(error).splitlines()[0]
    published = dict(published=PUBLISHED[config]) if config in PUBLISHED else {}
    return found | dict(first_losses=losses, waits_for_the_gpu=waits) | published


def prediction(machine: Machine, dtype: torch.dtype | None) -> dict[str, Any]:
    """Seconds of a prediction of 2048x1024 pixels as AdaptSegNet tests: seen at 1024x512."""
    cfg = load_config(ROOT / ADAPT, world=machine.world)
    without_initial_weights(cfg.model)
    network = build_segmentor(cfg).to(machine.device).eval()
    image = machine.noise(1, (512, 1024))["image"].to(machine.device)
    out = machine.size((1024, 2048))
    with torch.autocast(machine.device, dtype or torch.bfloat16, enabled=dtype is not None):
        return machine.times(lambda: network.predict(image, out).argmax(1).byte())


def measured(machine: Machine, cases: dict[str, Case]) -> dict[str, Any]:
    """Each case; one that fails is in the result with its error."""
    found = {}
    for name, case in cases.items():
        try:
            found[name] = train_step(machine, case)
        except Exception as error:
            found[name] = dict(error=f"{type(error).__name__}: {error}"[:500])
        print(name, found[name], flush=True)
        if machine.is_gpu:
            torch.cuda.empty_cache()
    return found


def modern(machine: Machine) -> dict[str, Any]:
    """DAFormer and MIC beside what is published of their memory and time."""
    return measured(machine, MODERN)


def steps(machine: Machine) -> dict[str, Any]:
    """AdaptSegNet, DACS and CycleGAN, and predictions."""
    found = measured(machine, CASES)
    for dtype in (None, torch.bfloat16):
        name = f"prediction 2048x1024, {str(dtype or torch.float32).removeprefix('torch.')}"
        found[name] = prediction(machine, dtype)
        print(name, found[name], flush=True)
    return found


def compiled(machine: Machine) -> dict[str, Any]:
    """A segmentor of AdaptSegNet under `torch.compile`: its difference to eager, and its time."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    cfg = load_config(ROOT / ADAPT, world=machine.world)
    without_initial_weights(cfg.model)
    torch.manual_seed(0)
    network = build_segmentor(cfg).to(machine.device).eval()
    image = machine.noise(1, (512, 1024))["image"].to(machine.device).float()
    fast = torch.compile(network)
    with torch.no_grad():
        expected = network(image).predictions["main"].logits
        difference = (fast(image).predictions["main"].logits - expected).abs().max()
        found = dict(eager=machine.times(lambda: network(image)))
        found["compiled"] = machine.times(lambda: fast(image))
    largest = float(difference / expected.abs().max())
    assert largest < 1e-3, f"the compiled network differs by {largest} of its largest logit"
    return found | dict(largest_difference=largest)


def memory(machine: Machine) -> dict[str, Any]:
    """What `daseg fit` says of AdaptSegNet's step beside what PyTorch allocates, in MiB."""
    config, (height, width) = str(ROOT / ADAPT), machine.size((512, 1024))
    told = fit(config, size=(width, height), device=machine.device, world=machine.world)
    model, optimizers = training_of(config, device=machine.device, world=machine.world)
    data = pair(noise(1, (width, height), classes_of_model(model), pin=machine.is_gpu))
    measured = machine.times(lambda: model.train_step(data, optimizers))["memory_mib"]
    predicted = told.bytes(1) / 2**20
    ratio = measured / predicted if measured else None
    assert ratio is None or 0.85 <= ratio <= 1.15, f"{measured} MiB, predicted {predicted}"
    return dict(predicted_mib=predicted, measured_mib=measured, ratio=ratio)


def main() -> None:
    """Measure, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("what", choices=["steps", "modern", "compile", "memory"])
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    machine = Machine(args.device)
    name = torch.cuda.get_device_name() if machine.is_gpu else "cpu"
    found: dict[str, Any] = dict(gpu=name, torch=torch.__version__)
    work = dict(steps=steps, modern=modern, compile=compiled, memory=memory)
    found |= work[args.what](machine)
    args.out.write_text(json.dumps(found, indent=1) + "\n")
    errors = [name for name, case in found.items() if isinstance(case, dict) and "error" in case]
    assert not errors, f"failed: {', '.join(errors)}"


if __name__ == "__main__":
    main()
