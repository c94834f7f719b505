"""Time and memory of train steps at real sizes: python tests/gpu/measure.py OUT.json

Each network starts from random weights and sees random images, which takes as long as real ones.
"""

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import MessageHub

from daseg.config.load import load_config
from daseg.engine.optim import OptimizersByNetwork
from daseg.registry import MODELS
from daseg.segmentor import build_segmentor, without_initial_weights

ADAPT = "configs/adaptseg/multi_vanilla.py"
# name: config, batch, size (height, width) of source and target, precision, TensorFloat-32
CASES: dict[str, tuple[str, int, tuple[int, int], tuple[int, int], str | None, bool]] = {
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
    "CycleGAN 256x256, bfloat16": (
        "configs/cyclegan/gta2cityscapes.py", 1, (256, 256), (256, 256), "bfloat16", True,
    ),
}  # fmt: skip
ROOT = Path(__file__).parents[2]


def images(count: int, size: tuple[int, int], classes: int) -> dict[str, Any]:
    shape = (count, *size)
    image = torch.randint(0, 256, (count, 3, *size), dtype=torch.uint8).pin_memory()
    return dict(image=image, label=torch.randint(0, classes, shape).pin_memory())


def train_step(name: str, steps: int = 10) -> dict[str, Any]:
    """Seconds of a step, without loading and logging, and the peak of the GPU's memory."""
    config, count, source_size, target_size, dtype, tf32 = CASES[name]
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    cfg = load_config(ROOT / config)
    without_initial_weights(cfg.model)
    wrapper = {k: dict(own) for k, own in cfg.optim_wrapper.items() if isinstance(own, dict)}
    for own in wrapper.values():
        own |= dict(type="AmpOptimWrapper", dtype=dtype) if dtype else {}
    hub = MessageHub.get_current_instance()
    hub.update_info("iter", 0)
    hub.update_info("seed", 0)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).cuda().train()
    optimizers = OptimizersByNetwork(wrapper)(model)
    target = images(count, target_size, 19)
    data = dict(source=images(count, source_size, 19), target=dict(image=target["image"]))
    for _ in range(3):
        model.train_step(data, optimizers)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(steps):
        begin = time.perf_counter()
        model.train_step(data, optimizers)
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    memory = torch.cuda.max_memory_allocated() / 2**20
    return dict(seconds=round(statistics.median(seconds), 5), memory_mib=round(memory))


def prediction(dtype: torch.dtype | None, repeats: int = 10) -> dict[str, Any]:
    """Seconds of a prediction of 2048x1024 pixels as AdaptSegNet tests: seen at 1024x512."""
    cfg = load_config(ROOT / ADAPT)
    without_initial_weights(cfg.model)
    network = build_segmentor(cfg).cuda().eval()
    image = torch.randint(0, 256, (1, 3, 512, 1024), dtype=torch.uint8).cuda()
    seconds = []
    with torch.autocast("cuda", dtype or torch.bfloat16, enabled=dtype is not None):
        for _ in range(repeats + 3):
            begin = time.perf_counter()
            network.predict(image, (1024, 2048)).argmax(1).byte()
            torch.cuda.synchronize()
            seconds.append(time.perf_counter() - begin)
    return dict(seconds=round(statistics.median(seconds[3:]), 5))


def main() -> None:
    """Measure all; a case that fails is in the file with its error."""
    found: dict[str, Any] = dict(gpu=torch.cuda.get_device_name(), torch=torch.__version__)
    for name in CASES:
        try:
            found[name] = train_step(name)
        except Exception as error:
            found[name] = dict(error=f"{type(error).__name__}: {error}"[:500])
        print(name, found[name], flush=True)
        torch.cuda.empty_cache()
    for dtype in (None, torch.bfloat16):
        name = f"prediction 2048x1024, {str(dtype or torch.float32).removeprefix('torch.')}"
        found[name] = prediction(dtype)
        print(name, found[name], flush=True)
    Path(sys.argv[1]).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
