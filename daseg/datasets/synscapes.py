"""Synscapes."""

from pathlib import Path
from typing import Any

from daseg.datasets.base import SegDataset
from daseg.datasets.cityscapes import Cityscapes
from daseg.datasets.files.scan import Layout
from daseg.datasets.label_reader import LabelReader
from daseg.registry import DATASETS


@DATASETS.register_module()
class Synscapes(SegDataset):
    """Rendered streets, 1440x720, in Cityscapes' 19 classes.

    Wrenninge and Unger, "Synscapes: A Photorealistic Synthetic Dataset for Street Scene Parsing",
    arXiv 2018. ``img/rgb/<number>.png`` and ``img/class/<number>.png``, which hold Cityscapes'
    label ids; 25,000 of them.

    Args:
        root: Folder that holds ``img``.
        options: Those of `SegDataset`.
    """

    CLASSES = Cityscapes.CLASSES
    PALETTE = Cityscapes.PALETTE

    def __init__(self, root: str | Path, **options: Any) -> None:
        super().__init__(
            root,
            layout=Layout("img/rgb", "img/class", image_suffix=".png", label_suffix=".png"),
            reader=LabelReader(Cityscapes.TRAIN_IDS, Cityscapes.IGNORED),
            classes=self.CLASSES,
            palette=self.PALETTE,
            **options,
        )
