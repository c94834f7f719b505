"""Cityscapes."""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from daseg.datasets.base import SegDataset
from daseg.datasets.files.scan import Layout
from daseg.datasets.label_reader import LabelReader
from daseg.ops.labels import IGNORE
from daseg.registry import DATASETS
from daseg.utils.errors import DataError

# train id: (class, label id, colour in RGB)
_TABLE: list[tuple[str, int, tuple[int, int, int]]] = [
    ("road", 7, (128, 64, 128)),
    ("sidewalk", 8, (244, 35, 232)),
    ("building", 11, (70, 70, 70)),
    ("wall", 12, (102, 102, 156)),
    ("fence", 13, (190, 153, 153)),
    ("pole", 17, (153, 153, 153)),
    ("traffic light", 19, (250, 170, 30)),
    ("traffic sign", 20, (220, 220, 0)),
    ("vegetation", 21, (107, 142, 35)),
    ("terrain", 22, (152, 251, 152)),
    ("sky", 23, (70, 130, 180)),
    ("person", 24, (220, 20, 60)),
    ("rider", 25, (255, 0, 0)),
    ("car", 26, (0, 0, 142)),
    ("truck", 27, (0, 0, 70)),
    ("bus", 28, (0, 60, 100)),
    ("train", 31, (0, 80, 100)),
    ("motorcycle", 32, (0, 0, 230)),
    ("bicycle", 33, (119, 11, 32)),
]


@DATASETS.register_module()
class Cityscapes(SegDataset):
    """Street scenes of 50 cities, 2048x1024, 19 classes.

    Cordts et al., "The Cityscapes Dataset for Semantic Urban Scene Understanding", CVPR 2016.
    ``leftImg8bit/<split>/<city>/*_leftImg8bit.png`` and
    ``gtFine/<split>/<city>/*_gtFine_labelIds.png``. Train 2975, val 500 images; the labels of the
    test split are not published.

    Attributes:
        CLASSES: Names of the classes; their place is the train id, which a network learns. Names,
            label ids and colours are those of the official evaluation.
        PALETTE: RGB colour of each class.
        TRAIN_IDS: Train id of each label id, which is what a label file holds.
        IGNORED: Label ids that are not learnt: void classes, rare ones, and -1 (licence plate),
            which an 8-bit file holds as 255.

    Args:
        root: Folder that holds ``leftImg8bit`` and ``gtFine``.
        split: "train", "val", "test" or "train_extra".
        annotation: "gtFine" or "gtCoarse".
        options: Those of `SegDataset`.
    """

    CLASSES = tuple(name for name, _, _ in _TABLE)
    PALETTE = [list(colour) for _, _, colour in _TABLE]
    TRAIN_IDS = {label_id: train_id for train_id, (_, label_id, _) in enumerate(_TABLE)}
    IGNORED = (*sorted({*range(34)} - TRAIN_IDS.keys()), 255)

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        annotation: Literal["gtFine", "gtCoarse"] = "gtFine",
        **options: Any,
    ) -> None:
        self.split = split
        super().__init__(
            root,
            layout=Layout(
                image_dir=f"leftImg8bit/{split}",
                label_dir=f"{annotation}/{split}",
                image_suffix="_leftImg8bit.png",
                label_suffix=f"_{annotation}_labelIds.png",
            ),
            reader=LabelReader(self.TRAIN_IDS, self.IGNORED),
            classes=self.CLASSES,
            palette=self.PALETTE,
            **options,
        )


def train_ids_to_label_ids(label: np.ndarray) -> np.ndarray:
    """Cityscapes' train ids as the label ids that its evaluation server wants.

    Args:
        label: (H, W) integers, 0..18 or 255.

    Returns:
        (H, W) uint8; 255 becomes 0 (unlabelled).

    Raises:
        DataError: ``label`` holds another value.
    """
    table = np.full(256, IGNORE, np.uint8)  # 255 is not a label id of a train id: marks the unknown
    table[: len(_TABLE)] = [label_id for _, label_id, _ in _TABLE]
    table[IGNORE] = 0
    known = (label >= 0) & (label <= 255)
    mapped = table[np.where(known, label, IGNORE - 1).astype(np.uint8)]
    if (mapped == IGNORE).any():
        wrong = np.unique(label[mapped == IGNORE]).tolist()
        raise DataError(f"these are not train ids of Cityscapes (0..18 or 255): {wrong}")
    return mapped
