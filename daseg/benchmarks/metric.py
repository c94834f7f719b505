"""The confusion matrix of one image, of 19 classes."""

from typing import Any

import numpy as np
import torch

from daseg.benchmarks.compare import Comparison, Settings, Side
from daseg.benchmarks.peers import peer_module
from daseg.benchmarks.worker import Run
from daseg.evaluation.confusion import confusion_matrix
from daseg.ops.labels import IGNORE

OPTIONS = frozenset(("size",))
CLASSES = 19
SAME = {"right": 0.0, "pixels": 0.0}  # the diagonal and the whole


def compare(settings: Settings) -> list[Comparison]:
    """Ours beside a bare bincount of numpy's, and beside each peer that is given."""
    size = settings.size or (2048, 1024)
    name = f"confusion matrix, {size[0]}x{size[1]}, uint8"
    ours = Side("daseg", _ours, dict(size=size, device=settings.device))
    bincount = Side("numpy's bincount", _bincount, dict(size=size))
    theirs = settings.peer("AdaptSegNet", _adaptsegnet, size=size)
    return [
        Comparison(name, ours, bincount, target=1.0, same=SAME),
        Comparison(name, ours, theirs, "AdaptSegNet", same=SAME),
    ]


def maps(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Prediction and label (H,W) uint8: blocks of one class, a tenth of the pixels not labelled."""
    width, height = size
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, CLASSES, (-(-height // 32), -(-width // 32)), np.uint8)
    label = blocks.repeat(32, 0).repeat(32, 1)[:height, :width].copy()
    pred = np.where(rng.random((height, width)) < 0.7, label, rng.integers(0, CLASSES, label.shape))
    label[rng.random((height, width)) < 0.1] = IGNORE
    return pred.astype(np.uint8), label


def _values(matrix: Any) -> dict[str, float]:
    return dict(right=float(np.trace(matrix)), pixels=float(np.sum(matrix)))


def _ours(size: tuple[int, int], device: str) -> Run:
    pred, label = (torch.from_numpy(each).to(device) for each in maps(size))
    return lambda: _values(confusion_matrix(pred, label, CLASSES, IGNORE))


def _bincount(size: tuple[int, int]) -> Run:
    pred, label = maps(size)

    def run() -> dict[str, float]:
        known = label != IGNORE
        joint = CLASSES * label[known].astype(int) + pred[known]
        return _values(np.bincount(joint, minlength=CLASSES**2).reshape(CLASSES, CLASSES))

    return run


def _adaptsegnet(path: str, size: tuple[int, int]) -> Run:
    module = peer_module(path, "compute_iou")
    pred, label = maps(size)
    return lambda: _values(module.fast_hist(label.ravel(), pred.ravel(), CLASSES))
