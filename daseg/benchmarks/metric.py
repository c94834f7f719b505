"""The confusion matrix of one image, of 19 classes."""

import tempfile
from typing import Any

import numpy as np
import torch
from PIL import Image

from daseg.benchmarks.compare import Comparison, Settings, Side
from daseg.benchmarks.peers import peer_module
from daseg.benchmarks.worker import Run
from daseg.datasets.cityscapes import Cityscapes, train_ids_to_label_ids
from daseg.datasets.label_reader import LabelReader
from daseg.evaluation.confusion import confusion_matrix
from daseg.ops.labels import IGNORE

OPTIONS = frozenset(("size",))
CLASSES = 19
WARMUP = 3  # a run takes milliseconds
SAME = {"right": 0.0, "pixels": 0.0}  # the diagonal and the whole


def compare(settings: Settings) -> list[Comparison]:
    """Ours beside a bare bincount of numpy's, and beside each peer that is given."""
    width, height = size = settings.size or (2048, 1024)
    name = f"confusion matrix, {width}x{height}, bytes"
    ours = Side("daseg", _ours, dict(size=size, device=settings.device))
    bincount = Side("numpy's bincount", _bincount, dict(size=size))
    found = [Comparison(name, ours, bincount, target=1.0, same=SAME, warmup=WARMUP)]
    for peer, make in PEER_RUNS.items():
        side = settings.peer(peer, make, size=size)
        found.append(Comparison(name, ours, side, peer, same=SAME, warmup=WARMUP))
    files = Side("daseg", _our_files, dict(size=size))
    scripts = settings.peer("cityscapesScripts", _cityscapes_scripts, size=size)
    name = f"confusion matrix of two files of label ids, {width}x{height}"
    return [*found, Comparison(name, files, scripts, "cityscapesScripts", same=SAME)]


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


def _torchmetrics(path: str, size: tuple[int, int]) -> Run:
    module = peer_module(path, "torchmetrics.functional.classification")
    pred, label = map(torch.from_numpy, maps(size))
    count = module.multiclass_confusion_matrix
    return lambda: _values(count(pred, label, CLASSES, ignore_index=IGNORE).numpy())


def _mmsegmentation(path: str, size: tuple[int, int]) -> Run:
    anew = "mmcv", "mmengine"
    module = peer_module(path, "mmseg.evaluation.metrics.iou_metric", anew=anew)
    metric = module.IoUMetric
    pred, label = map(torch.from_numpy, maps(size))

    def run() -> dict[str, float]:  # it counts the rows, the columns and the diagonal alone
        both, _, _, labelled = metric.intersect_and_union(pred, label, CLASSES, IGNORE)
        return dict(right=float(both.sum()), pixels=float(labelled.sum()))

    return run


PEER_RUNS = {
    "AdaptSegNet": _adaptsegnet,
    "torchmetrics": _torchmetrics,
    "mmsegmentation": _mmsegmentation,
}


def _files(folder: str, size: tuple[int, int]) -> list[str]:
    """Prediction and label as files of Cityscapes' label ids; what is not labelled is id 0."""
    paths = [f"{folder}/pred.png", f"{folder}/label.png"]
    for path, ids in zip(paths, map(train_ids_to_label_ids, maps(size)), strict=True):
        Image.fromarray(ids).save(path)
    return paths


def _our_files(size: tuple[int, int]) -> Run:
    folder = tempfile.TemporaryDirectory()
    paths = _files(folder.name, size)
    reader = LabelReader(Cityscapes.TRAIN_IDS, Cityscapes.IGNORED)

    def run() -> dict[str, float]:
        assert folder
        pred, label = (torch.from_numpy(reader.read(path)) for path in paths)
        return _values(confusion_matrix(pred, label, CLASSES, IGNORE))

    return run


def _cityscapes_scripts(path: str, size: tuple[int, int]) -> Run:
    module = peer_module(path, "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    folder = tempfile.TemporaryDirectory()
    paths = _files(folder.name, size)
    module.args.evalInstLevelScore = False
    ids = np.array(list(Cityscapes.TRAIN_IDS))

    def run() -> dict[str, float]:
        assert folder
        counts = module.generateMatrix(module.args)
        module.evaluatePair(*paths, counts, None, {}, module.args)
        return _values(counts[np.ix_(ids, ids)])

    return run
