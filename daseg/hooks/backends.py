"""Where pictures go beside the work dir."""

from pathlib import Path

import numpy as np
from mmengine.runner import Runner
from mmengine.visualization import LocalVisBackend
from PIL import Image


def show_picture(runner: Runner, path: Path, name: str, iteration: int) -> None:
    """Hand a picture file to TensorBoard and whatever else the run writes to."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    for backend in runner.visualizer._vis_backends.values():
        if not isinstance(backend, LocalVisBackend):  # it would write the same file again
            backend.add_image(name, pixels, iteration)
