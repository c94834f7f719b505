"""GTA5."""

from pathlib import Path
from typing import Any

from daseg.datasets.base import SegDataset
from daseg.datasets.cityscapes import Cityscapes
from daseg.datasets.files.scan import Layout
from daseg.datasets.label_reader import LabelReader
from daseg.registry import DATASETS


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

    CLASSES = Cityscapes.CLASSES
    PALETTE = Cityscapes.PALETTE
    IGNORED = (*Cityscapes.IGNORED, 34)  # its licence plate

    def __init__(self, root: str | Path, **options: Any) -> None:
        super().__init__(
            root,
            layout=Layout("images", "labels", image_suffix=".png", label_suffix=".png"),
            reader=LabelReader(Cityscapes.TRAIN_IDS, self.IGNORED),
            classes=self.CLASSES,
            palette=self.PALETTE,
            **options,
        )
