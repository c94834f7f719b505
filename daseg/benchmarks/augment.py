"""Augmentation of arrays in memory: resize, crop, flip, change colours, pack.

Both sides run the same list of transforms, each with its own classes, from the same random numbers:
mmsegmentation's for Cityscapes. The crops are the same ones; colours are drawn in another order.
"""

import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import cv2
import numpy as np

from daseg.benchmarks.compare import Comparison, Settings, Side
from daseg.benchmarks.peers import peer_module
from daseg.benchmarks.worker import Run
from daseg.datasets.pipeline import Pipeline
from daseg.ops.labels import IGNORE

OPTIONS = frozenset(("size",))
CLASSES = 19
COUNT = 16  # samples a run
SAME = {"labelled": 0.0, "classes": 0.0}


def compare(settings: Settings) -> list[Comparison]:
    """Ours beside mmsegmentation's, without and with the change of colours."""
    width, height = size = settings.size or (2048, 1024)
    found = []
    for colours, what in ((False, "resize, crop, flip"), (True, "resize, crop, flip, colours")):
        name = f"{COUNT} samples of {width}x{height}: {what}"
        arguments = dict(size=size, colours=colours)
        ours = Side("daseg", _ours, arguments)
        peer = settings.peer("mmsegmentation", _mmsegmentation, **arguments)
        found.append(Comparison(name, ours, peer, "mmsegmentation", target=1.0, same=SAME))
    return found


def steps(size: tuple[int, int], colours: bool) -> list[dict[str, Any]]:
    """What both sides do to an image and its label; the crop has half of its width and height."""
    width, height = size
    found: list[dict[str, Any]] = [
        dict(type="RandomResize", scale=size, ratio_range=(0.5, 2.0), keep_ratio=True),
        dict(type="RandomCrop", crop_size=(height // 2, width // 2), cat_max_ratio=0.75),
        dict(type="RandomFlip", prob=0.5),
    ]
    return found + ([dict(type="PhotoMetricDistortion")] if colours else [])


def _sample(size: tuple[int, int]) -> dict[str, Any]:
    """What the loading transforms of both sides leave: smooth colours, blocks of one class."""
    width, height = size
    rng = np.random.default_rng(0)
    shape = (-(-height // 16), -(-width // 16))
    image = cv2.resize(rng.integers(0, 256, (*shape, 3), np.uint8), size)
    label = rng.integers(0, CLASSES, shape, np.uint8).repeat(16, 0).repeat(16, 1)
    names = dict(img_path="image", seg_map_path="label", seg_fields=["gt_seg_map"])
    shapes = dict(img_shape=(height, width), ori_shape=(height, width))
    return dict(names, **shapes, img=image, gt_seg_map=label[:height, :width].copy())


def _run(
    sample: Mapping[str, Any],
    pipeline: Callable[[dict[str, Any]], Any],
    label: Callable[[Any], np.ndarray],
) -> Run:
    def run() -> dict[str, float]:
        for number in range(COUNT):
            np.random.seed(number)
            packed = pipeline(dict(sample))
        found = label(packed)[::16, ::16]  # of the last sample: looking is timed, too
        values, counts = np.unique(found[found != IGNORE], return_counts=True)
        return dict(labelled=float(counts.sum()), classes=float(values @ counts))

    return run


def _ours(size: tuple[int, int], colours: bool) -> Run:
    pipeline = Pipeline([*steps(size, colours), dict(type="PackSample")])
    return _run(_sample(size), pipeline, lambda packed: packed["label"].numpy())


def _mmsegmentation(path: str, size: tuple[int, int], colours: bool) -> Run:
    peer_module(path, "mmcv", anew=("mmcv", "mmengine"))
    if find_spec("mmcv._ext") is None:  # mmcv-lite, which is enough for these transforms
        sys.modules["mmcv.ops"] = ModuleType("mmcv.ops")
        vars(sys.modules["mmcv.ops"])["point_sample"] = None  # imported, and not used by them
    peer_module(path, "mmseg.datasets.transforms")
    transforms = peer_module(path, "mmseg.registry").TRANSFORMS
    made = [transforms.build(s) for s in [*steps(size, colours), dict(type="PackSegInputs")]]
    pipeline = peer_module(path, "mmcv.transforms").Compose(made)
    return _run(
        _sample(size),
        pipeline,
        lambda packed: packed["data_samples"].gt_sem_seg.data[0].numpy(),
    )
