"""The evaluation of an image beside the network: from its logits to the confusion matrix."""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from daseg.benchmarks.compare import Comparison, Settings, Side
from daseg.benchmarks.peers import peer_module
from daseg.benchmarks.worker import Run
from daseg.datasets.cityscapes import Cityscapes, train_ids_to_label_ids
from daseg.datasets.label_reader import LabelReader
from daseg.evaluation import IoUMetric
from daseg.segmentor import Segmentor

OPTIONS = frozenset(("size",))
CLASSES = 19


def compare(settings: Settings) -> list[Comparison]:
    """Ours beside what AdaptSegNet's two scripts do after the network."""
    width, height = size = settings.size or (2048, 1024)
    arguments = dict(size=size, device=settings.device)
    peer = settings.peer("AdaptSegNet", _adaptsegnet, **arguments)
    name = f"evaluation of {width}x{height} after the network"
    ours = Side("daseg", _ours, arguments)
    same = dict(right=1e-5, pixels=0.0)  # another layout in memory: a pixel may be rounded away
    return [Comparison(name, ours, peer, "AdaptSegNet", target=0.25, same=same, warmup=2)]


def logits_of(size: tuple[int, int]) -> Tensor:
    """Logits (1,19,h,w) of a network of stride 8 that sees half the size: smooth blobs."""
    width, height = size
    coarse = 3 * torch.randn((1, CLASSES, 9, 17), generator=torch.Generator().manual_seed(0))
    return F.interpolate(coarse, (height // 16 + 1, width // 16 + 1), mode="bicubic")


def write_label(folder: Path, size: tuple[int, int]) -> Path:
    """A label file with Cityscapes' ids: a part of the prediction, shifted, and a car's bonnet."""
    width, height = size
    classes = F.interpolate(logits_of(size), (height, width)).argmax(1)[0].byte().numpy()
    label = train_ids_to_label_ids(np.roll(classes, width // 40, axis=1))
    label[-height // 8 :] = 1  # the own car, which is not learnt
    path = folder / "label.png"
    Image.fromarray(label).save(path)
    return path


class _Given(nn.Module):
    """A backbone, or a head, that gives what it was given."""

    out_channels, strides = (CLASSES,), (8,)

    def __init__(self, maps: Tensor) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, _: object) -> Tensor:
        return self.maps


def _ours(size: tuple[int, int], device: str) -> Run:
    """The label is read as its data set does, and then what `daseg test` does of an image."""
    folder = tempfile.TemporaryDirectory()
    path = write_label(Path(folder.name), size)
    logits = logits_of(size).to(device)
    segmentor = Segmentor(_Given(logits), _Given(logits), align_corners=True).to(device).eval()
    image = torch.zeros((1, 3, 2, 2), device=device)
    reader = LabelReader(Cityscapes.TRAIN_IDS, Cityscapes.IGNORED)
    metric = IoUMetric(classes=Cityscapes.CLASSES)

    def run() -> dict[str, float]:
        assert folder
        label = torch.from_numpy(reader.read(path).astype(np.int64))[None].to(device)
        meta = [dict(label_shape=tuple(label.shape[1:]))]
        batch = dict(image=image, label=label, meta=meta)
        metric.process(batch, segmentor.predict_samples(batch, torch.channels_last))
        matrix = metric.results.pop()["matrix"]
        return dict(right=float(np.trace(matrix)), pixels=float(matrix.sum()))

    return run


def _adaptsegnet(path: str, size: tuple[int, int], device: str) -> Run:
    """After the network, its test stretches the logits and writes two files; a script reads them.

    The calls between its own functions are those of its scripts, of which one is Python 2.
    """
    module = peer_module(path, "compute_iou")
    info = json.loads((Path(path) / "dataset/cityscapes_list/info.json").read_text())
    mapping = np.array(info["label2train"])
    stretch = nn.Upsample(size=size[::-1], mode="bilinear", align_corners=True)
    folder = tempfile.TemporaryDirectory()
    label_path = write_label(Path(folder.name), size)
    logits = logits_of(size).to(device)
    palette = [channel for colour in Cityscapes.PALETTE for channel in colour]

    def run() -> dict[str, float]:
        maps = stretch(logits).cpu()[0].numpy()
        classes = np.argmax(maps.transpose(1, 2, 0), axis=2).astype(np.uint8)
        coloured = Image.fromarray(classes).convert("P")
        coloured.putpalette(palette)
        Image.fromarray(classes).save(f"{folder.name}/pred.png")
        coloured.save(f"{folder.name}/pred_color.png")
        pred = np.array(Image.open(f"{folder.name}/pred.png"))
        label = module.label_mapping(np.array(Image.open(label_path)), mapping)
        matrix = module.fast_hist(label.flatten(), pred.flatten(), CLASSES)
        return dict(right=float(np.trace(matrix)), pixels=float(matrix.sum()))

    return run
