"""GTA5."""

from pathlib import Path
from typing import Any

from daseg.datasets.base import SegDataset
from daseg.datasets.label_reader import LabelReader
from daseg.datasets.scan import Layout
from daseg.registry import DATASETS
from daseg.utils import labels


@DATASETS.register_module()
class GTA5(SegDataset):
    """Frames of a game, 1914x1052, in Cityscapes' 19 classes.

    Richter et al., "Playing for Data: Ground Truth from Computer Games", ECCV 2016.
    ``images/00001.png`` and ``labels/00001.png`` (palette pictures whose indices are Cityscapes'
    label ids), 24,966 of them. A few images and labels differ in size: see
    ``LoadLabel(on_size_mismatch='resize')``.

    Args:
        root: Folder that holds ``images`` and ``labels``.
        options: Those of `SegDataset`.
    """

    CLASSES = labels.CITYSCAPES_CLASSES
    PALETTE = labels.CITYSCAPES_PALETTE

    def __init__(self, root: str | Path, **options: Any) -> None:
        super().__init__(
            root,
            layout=Layout("images", "labels", image_suffix=".png", label_suffix=".png"),
            reader=LabelReader(labels.CITYSCAPES_TRAIN_IDS, labels.GTA5_IGNORED),
            classes=self.CLASSES,
            palette=self.PALETTE,
            **options,
        )
