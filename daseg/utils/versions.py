"""What computes: versions of the packages, and the device."""

import platform
from importlib.metadata import PackageNotFoundError, version

import torch

from daseg import __version__

PACKAGES = ("torch", "torchvision", "mmengine", "mmcv-lite", "numpy", "timm")


def device_name(device: str | torch.device) -> str:
    """The name of the GPU, or the type of the device."""
    device = torch.device(device)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def versions() -> dict[str, str]:
    """Versions of daseg, Python, CUDA where torch has it, and the installed `PACKAGES`."""
    found = {"daseg": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # optional, or another build of it: mmcv for mmcv-lite
    if torch.version.cuda:
        found["cuda"] = torch.version.cuda
    return found
