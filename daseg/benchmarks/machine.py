"""What a measurement was made on: a figure without it says nothing."""

import os
import platform
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from daseg import __version__

PACKAGES = "torch torchvision mmengine numpy opencv-python-headless pillow kornia-rs".split()


def machine_facts(threads: int, device: str) -> dict[str, Any]:
    """Processor, instruction set, cores, threads, load, device and versions, as plain values."""
    is_gpu = torch.device(device).type == "cuda"
    cpu = _cpuinfo()
    name = cpu.get("model name") or platform.processor() or platform.machine()
    flags = set(cpu.get("flags", "").split())
    return dict(
        date=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        cpu=f"{name}, model {cpu['model']}" if "model" in cpu else name,
        isa=torch.backends.cpu.get_cpu_capability(),
        bf16_units=not flags.isdisjoint(("avx512_bf16", "amx_bf16", "bf16")),  # for matrices
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        threads=threads,
        load=[round(each, 2) for each in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        device=torch.cuda.get_device_name(device) if is_gpu else "cpu",
        python=platform.python_version(),
        system=platform.platform(),
        daseg=__version__,
        versions={name: found for name in PACKAGES if (found := _version(name))},
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpuinfo() -> dict[str, str]:
    """What Linux says of the first core; nothing elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return {}
    rows = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in rows}
