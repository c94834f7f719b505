"""Check with a trained segmentor whether translated images still show what the source shows."""

import heapq
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from daseg.api import init_segmentor, predict
from daseg.datasets import SegDataset
from daseg.datasets.files.io import read_rgb
from daseg.evaluation.agreement import Agreement
from daseg.evaluation.confusion import confusion_matrix, pixel_accuracy
from daseg.offline.images import in_order
from daseg.offline.mirror import MirroredSet
from daseg.utils.errors import ConfigError
from daseg.utils.files import atomic_write_text
from daseg.utils.progress import track
from daseg.visualization import contact_sheet, save_sheet

WORST = 20


@dataclass(frozen=True)
class Pair:
    """A source image, its translation, and its label where there is one."""

    index: int
    source: np.ndarray  # (H,W,3) uint8 RGB
    translated: np.ndarray  # (h,w,3) uint8 RGB
    label: np.ndarray | None  # (H,W) train ids


class Judged(NamedTuple):
    """A pair and the segmentor's predictions, (H,W) each, for source and translation."""

    pair: Pair
    before: np.ndarray
    after: np.ndarray


class Gate:
    """Compares a frozen segmentor's predictions before and after the translation.

    Args:
        source: The source.
        config: Config of the segmentor.
        checkpoint: Its weights.
        device: Where it runs.
        world: Take its config as it is in a small world.

    Raises:
        ConfigError: Its classes are not those of the source.
        CheckpointError: The checkpoint cannot be read or does not fit.
    """

    def __init__(
        self,
        source: SegDataset,
        config: str | Path,
        checkpoint: str | Path,
        *,
        device: str = "cpu",
        world: str | None = None,
    ) -> None:
        self.segmentor = init_segmentor(config, checkpoint, device, world=world)
        self.names = [str(config), str(checkpoint)]
        known, own = self.segmentor.classes, tuple(source.metainfo["classes"])
        if known != own:
            raise ConfigError(
                f"--segmentor {config}: its classes are {', '.join(known)}; those of the source "
                f"{source} are {', '.join(own)}"
            )

    def judge(self, translated: MirroredSet, indices: Sequence[int], workers: int) -> Agreement:
        """Compare all pairs; print and write what came out, and draw the worst."""
        pairs = _Pairs(translated, indices)
        count = len(self.segmentor.classes)
        between, *against = (np.zeros((count, count), np.int64) for _ in range(3))
        scores: list[tuple[float, int]] = []
        labelled = 0
        for pair in track(in_order(pairs, workers), len(pairs), "judging"):
            judged = self._predict(pair)
            matrix = self._count(judged.after, judged.before)
            between += matrix
            scores.append((pixel_accuracy(matrix), pair.index))
            if pair.label is not None:
                labelled += 1
                for table, seen in zip(against, judged[1:], strict=True):
                    table += self._count(seen, pair.label)
        agreement = Agreement(
            self.segmentor.classes,
            between,
            before=against[0] if labelled else None,
            after=against[1] if labelled else None,
            images=len(scores),
            labelled=labelled,
        )
        self._report(translated, agreement, heapq.nsmallest(WORST, scores))
        return agreement

    def _predict(self, pair: Pair) -> Judged:
        before, after = (predict(self.segmentor, image) for image in (pair.source, pair.translated))
        if after.shape != before.shape:  # an image that kept the size of the training
            size = before.shape[1], before.shape[0]
            after = cv2.resize(after, size, interpolation=cv2.INTER_NEAREST_EXACT)
        return Judged(pair, before, after)

    def _count(self, pred: np.ndarray, label: np.ndarray) -> np.ndarray:
        tensors: list[Tensor] = [torch.from_numpy(each) for each in (pred, label)]
        return confusion_matrix(tensors[0], tensors[1], len(self.segmentor.classes))

    def _report(
        self, translated: MirroredSet, agreement: Agreement, worst: list[tuple[float, int]]
    ) -> None:
        lines = [
            f"What {self.names[0]} ({self.names[1]}) sees in {agreement.images} images before and "
            f"after their translation, in percent. {100 * agreement.share:.2f} % of the pixels are "
            f"the same class. {agreement.labelled} images have labels.",
            agreement.table(),
            *map(str, agreement.shifts()),
        ]
        print("\n".join(lines))
        atomic_write_text(translated.out / "report.txt", "\n".join(lines) + "\n")
        names = translated.source.names
        content = dict(segmentor=self.names, **agreement.to_json())
        content["worst"] = {names[index]: 100 * share for share, index in worst}
        atomic_write_text(translated.out / "report.json", json.dumps(content, indent=1) + "\n")
        if worst:
            self._draw(translated, worst)

    def _draw(self, translated: MirroredSet, worst: list[tuple[float, int]]) -> None:
        """Draw the pairs that agree least: both images, and both predictions."""
        pairs = _Pairs(translated, [index for _, index in worst])
        seen = [self._predict(pairs[number]) for number in range(len(pairs))]
        names = translated.source.names
        sheet = contact_sheet(
            [(pair.source, pair.translated, before, after) for pair, before, after in seen],
            headings=("source", "translated", "prediction before", "prediction after"),
            captions=[[f"{Path(names[i]).name}   {100 * s:.1f} % the same"] for s, i in worst],
            classes=self.segmentor.classes,
            palette=self.segmentor.palette,
        )
        save_sheet(sheet, translated.aside("worst.png"))


class _Pairs(Dataset[Pair]):
    """Reads pairs of files."""

    def __init__(self, translated: MirroredSet, indices: Sequence[int]) -> None:
        self.translated, self.indices = translated, list(indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, number: int) -> Pair:
        index = self.indices[number]
        source = self.translated.source
        image = read_rgb(source.samples[index].image, source.max_value)
        path = self.translated.original_label(index)
        label = source.reader.read(path) if path.is_file() else None
        if label is not None and label.shape != image.shape[:2]:  # as a few of GTA5 are
            size = image.shape[1], image.shape[0]
            label = cv2.resize(label, size, interpolation=cv2.INTER_NEAREST_EXACT)
        return Pair(index, image, read_rgb(self.translated.image_path(index)), label)
