"""UrbanSyn."""

from pathlib import Path
from typing import Any

from daseg.datasets.base import SegDataset
from daseg.datasets.cityscapes import Cityscapes
from daseg.datasets.files.scan import Layout
from daseg.datasets.label_reader import LabelReader
from daseg.registry import DATASETS


@DATASETS.register_module()
class UrbanSyn(SegDataset):
    """Rendered streets, 2048x1024, in Cityscapes' 19 classes.

    Gomez et al., "All for One, and One for All: UrbanSyn Dataset, the Third Musketeer of Synthetic
    Driving Scenes", Neurocomputing 2025. ``rgb/rgb_0001.png`` and ``ss/ss_0001.png``, which hold
    train ids, 19 for what has no class; 7,539 of them.

    Args:
        root: Folder that holds ``rgb`` and ``ss``.
        options: Those of `SegDataset`.
    """

    CLASSES = Cityscapes.CLASSES
    PALETTE = Cityscapes.PALETTE

    def __init__(self, root: str | Path, **options: Any) -> None:
        super().__init__(
            root,
            layout=Layout(
                image_dir="rgb",
                label_dir="ss",
                image_suffix=".png",
                label_suffix=".png",
                prefixes=("rgb_", "ss_"),
            ),
            reader=LabelReader({i: i for i in range(len(self.CLASSES))}, ignored=(19, 255)),
            classes=self.CLASSES,
            palette=self.PALETTE,
            **options,
        )
