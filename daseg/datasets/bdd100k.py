"""BDD100K."""

from pathlib import Path
from typing import Any

from daseg.datasets.base import SegDataset
from daseg.datasets.cityscapes import Cityscapes
from daseg.datasets.files.scan import Layout
from daseg.datasets.label_reader import LabelReader
from daseg.registry import DATASETS


@DATASETS.register_module()
class BDD100K(SegDataset):
    """Dash-cam frames of the United States in all weathers, 1280x720, in Cityscapes' 19 classes.

    Yu et al., "BDD100K: A Diverse Driving Dataset for Heterogeneous Multitask Learning", CVPR 2020:
    its 10,000 images with semantic labels. ``images/10k/<split>/*.jpg`` and
    ``labels/sem_seg/masks/<split>/*.png``, which hold train ids. Train 7000, val 1000 images; the
    labels of the test split are not published.

    Args:
        root: Folder that holds ``images`` and ``labels``.
        split: "train", "val" or "test".
        options: Those of `SegDataset`.
    """

    CLASSES = Cityscapes.CLASSES
    PALETTE = Cityscapes.PALETTE

    def __init__(self, root: str | Path, split: str = "train", **options: Any) -> None:
        self.split = split
        super().__init__(
            root,
            layout=Layout(
                image_dir=f"images/10k/{split}",
                label_dir=f"labels/sem_seg/masks/{split}",
                image_suffix=".jpg",
                label_suffix=".png",
            ),
            reader=LabelReader({i: i for i in range(len(self.CLASSES))}),
            classes=self.CLASSES,
            palette=self.PALETTE,
            **options,
        )
