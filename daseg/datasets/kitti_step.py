"""KITTI-STEP."""

from pathlib import Path
from typing import Any

from daseg.datasets.base import SegDataset
from daseg.datasets.cityscapes import Cityscapes
from daseg.datasets.files.scan import Layout
from daseg.datasets.label_reader import LabelReader
from daseg.registry import DATASETS


@DATASETS.register_module()
class KITTISTEP(SegDataset):
    """Video of Karlsruhe, about 1242x375, in Cityscapes' 19 classes.

    Weber et al., "STEP: Segmenting and Tracking Every Pixel", NeurIPS Datasets and Benchmarks 2021.
    ``images/<split>/<sequence>/<frame>.png`` (those of KITTI's tracking benchmark, sorted into
    splits) and ``panoptic_maps/<split>/<sequence>/<frame>.png``, three channels of which the first
    (red) holds train ids. Train 5027, val 2981 images. MOTChallenge-STEP and other sets of this
    layout are read, too.

    Args:
        root: Folder that holds both.
        split: "train" or "val"; "test" has no labels.
        image_dir: Folder of the splits' images, below ``root``.
        options: Those of `SegDataset`.
    """

    CLASSES = Cityscapes.CLASSES
    PALETTE = Cityscapes.PALETTE

    def __init__(
        self, root: str | Path, split: str = "train", *, image_dir: str = "images", **options: Any
    ) -> None:
        self.split = split
        super().__init__(
            root,
            layout=Layout(
                image_dir=f"{image_dir}/{split}",
                label_dir=f"panoptic_maps/{split}",
                image_suffix=(".png", ".jpg"),
                label_suffix=".png",
            ),
            reader=LabelReader({i: i for i in range(len(self.CLASSES))}, channel=0),
            classes=self.CLASSES,
            palette=self.PALETTE,
            **options,
        )
