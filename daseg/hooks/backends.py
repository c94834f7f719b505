"""Pictures for TensorBoard and other backends."""

import numpy as np
from mmengine.runner import Runner
from mmengine.visualization import LocalVisBackend


def show_picture(runner: Runner, picture: np.ndarray, name: str, iteration: int) -> None:
    """Hand a picture (H,W,3) uint8, RGB, to TensorBoard and whatever else the run writes to."""
    for backend in runner.visualizer._vis_backends.values():
        if not isinstance(backend, LocalVisBackend):  # it would write the same file again
            backend.add_image(name, picture, iteration)
