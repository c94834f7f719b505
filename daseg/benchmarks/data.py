"""From the PNG files of GTA5 to a training sample, one process; and from prepared data.

Images are made, with the size and about the bytes of real ones; `inputs` may name the root of a
real GTA5 in their place.
"""

import atexit
import io
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np

from daseg.benchmarks.compare import Comparison, Settings, Side
from daseg.benchmarks.peers import peer_module
from daseg.benchmarks.worker import Run
from daseg.datasets import GTA5, Cityscapes, SampleIndex
from daseg.datasets.prepared.settings import folder_name, settings_of
from daseg.offline.prepare import Preparation

OPTIONS = frozenset(("size", "inputs"))
COUNT = 6
FILE_SIZE = (1914, 1052)
SAME = {"labelled": 0.0, "brightness": 1e-4}


def compare(settings: Settings) -> list[Comparison]:
    """Ours beside AdaptSegNet's and Seg-Uncertainty's data sets, at full size and cropped."""
    size = settings.size or (1280, 720)
    crop = (size[1] // 2, size[0] // 2)
    root = settings.inputs[0] if settings.inputs else _made_gta5()
    text = f"GTA5 to {size[0]}x{size[1]}"
    names = dict(root=root, size=size, names=_list(root))
    plain = settings.peer("AdaptSegNet", _adaptsegnet, **names)
    cropped = settings.peer("Seg-Uncertainty", _seg_uncertainty, crop=crop, **names)
    whole, part = dict(root=root, size=size), dict(root=root, size=size, crop=crop)
    found = []
    for road, target in ((None, 0.55), ("raw", 0.1), ("png", 0.1)):
        how = "" if road is None else f", prepared ({road})"
        folder = _prepared(root, size, road)
        ours = Side("daseg", _ours, dict(whole, prepared=folder))
        found.append(Comparison(text + how, ours, plain, "AdaptSegNet", target, same=SAME))
        ours = Side("daseg", _ours, dict(part, prepared=folder))
        name = f"{text}, cropped to {crop[1]}x{crop[0]}{how}"
        found.append(Comparison(name, ours, cropped, "Seg-Uncertainty", target))
    return found


def _made_gta5() -> str:
    """A folder of made images with labels, which is there until the program ends."""
    folder = Path(_folder())
    rng, known = np.random.default_rng(0), sorted(Cityscapes.TRAIN_IDS)
    for number in range(1, COUNT + 1):
        coarse = rng.integers(0, 256, (66, 120, 3), np.uint8)
        image = cv2.resize(coarse, FILE_SIZE, interpolation=cv2.INTER_CUBIC).astype(np.float32)
        image += rng.normal(0, 0.8, (*image.shape[:2], 1)).astype(np.float32)
        label = rng.choice(known, (66, 120)).astype(np.uint8)
        label = cv2.resize(label, FILE_SIZE, interpolation=cv2.INTER_NEAREST)
        for kind, pixels in (
            ("images", np.clip(image, 0, 255).astype(np.uint8)),
            ("labels", label),
        ):
            path = Path(folder, kind, f"{number:05d}.png")
            path.parent.mkdir(exist_ok=True)
            cv2.imwrite(str(path), pixels)
    return str(folder)


def _folder() -> str:
    """A folder that is there until the program ends."""
    folder = TemporaryDirectory(prefix="daseg_benchmark_")
    atexit.register(folder.cleanup)
    return folder.name


def _data_set(
    root: str, size: tuple[int, int], crop: Any = None, prepared: str | None = None
) -> GTA5:
    steps: list[dict[str, Any]] = [
        dict(type="LoadImageFromFile"),
        dict(type="LoadLabel", on_size_mismatch="resize"),
        dict(type="ResizePIL", scale=size),
    ]
    if crop is not None:
        steps.append(dict(type="RandomCrop", crop_size=crop, min_classes=11, tries=10))
        steps.append(dict(type="RandomFlip", prob=0.5))
    steps.append(dict(type="PackSample"))
    return GTA5(root, pipeline=steps, num_samples=COUNT, prepared=prepared)


def _prepared(root: str, size: tuple[int, int], road: str | None) -> str | None:
    """A folder with the data set prepared, for both pipelines; None for the direct road."""
    if road is None:
        return None
    out, data = _folder(), _data_set(root, size)
    folder = Path(out, folder_name(settings_of(data)))
    folder.mkdir()
    Preparation(data, folder, 100, road == "png").run(0, False)
    return out


def _ours(**options: Any) -> Run:
    data = _data_set(**options)

    def run() -> dict[str, float]:
        samples = [data[SampleIndex(index, index)] for index in range(COUNT)]
        images = [sample["image"].numpy() for sample in samples]
        return _values(images, [sample["label"].numpy() for sample in samples])

    return run


def _values(images: list[np.ndarray], labels: list[np.ndarray]) -> dict[str, float]:
    """What all sides have in common: of one image, since this is timed, too."""
    brightness = float(images[0][:, ::16, ::16].mean())
    return dict(labelled=float((labels[0][::16, ::16] != 255).sum()), brightness=brightness)


def _theirs(data: Any) -> Run:
    def run() -> dict[str, float]:
        with redirect_stdout(io.StringIO()):
            samples = [data[index] for index in range(COUNT)]
        return _values([each[0] for each in samples], [each[1] for each in samples])

    return run


def _list(root: str) -> str:
    """A list of the first images, in the format of the public codes."""
    names = sorted(path.name for path in Path(root, "images").glob("*.png"))[:COUNT]
    path = Path(_folder(), "list.txt")
    path.write_text("\n".join(names))
    return str(path)


def _adaptsegnet(path: str, root: str, names: str, size: tuple[int, int]) -> Run:
    module = peer_module(path, "dataset.gta5_dataset")
    return _theirs(module.GTA5DataSet(root, names, crop_size=size, mean=(0, 0, 0)))


def _seg_uncertainty(
    path: str, root: str, names: str, size: tuple[int, int], crop: tuple[int, int]
) -> Run:
    module = peer_module(path, "dataset.gta5_dataset")
    options = dict(resize_size=size, crop_size=crop, mean=(0, 0, 0))
    return _theirs(module.GTA5DataSet(root, names, **options))
