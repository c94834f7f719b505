"""Dark Zurich."""

from pathlib import Path
from typing import Any

from daseg.datasets.base import SegDataset
from daseg.datasets.cityscapes import Cityscapes
from daseg.datasets.files.scan import Layout
from daseg.datasets.label_reader import LabelReader
from daseg.registry import DATASETS


@DATASETS.register_module()
class DarkZurich(SegDataset):
    """Zurich by day, at twilight and at night, 1920x1080, in Cityscapes' 19 classes.

    Sakaridis, Dai, Van Gool, "Guided Curriculum Model Adaptation and Uncertainty-Aware Evaluation
    for Semantic Nighttime Image Segmentation", ICCV 2019. The folders are those of the published
    archives: ``rgb_anon/<split>/<time>/<sequence>/*_rgb_anon.png`` and
    ``gt/<split>/<time>/<sequence>/*_gt_labelTrainIds.png``. Of the training split (2416 images at
    night) nothing is labelled: use it with ``labels=False``, as `DomainPair` does. Of the others
    the 50 validation images at night have published labels.

    Args:
        root: Folder that holds ``rgb_anon`` and ``gt``.
        split: "train", "val" or "test"; "val_ref" or "test_ref": the same places by day.
        time: "night", "twilight" or "day".
        options: Those of `SegDataset`.
    """

    CLASSES = Cityscapes.CLASSES
    PALETTE = Cityscapes.PALETTE

    def __init__(
        self, root: str | Path, split: str = "train", *, time: str = "night", **options: Any
    ) -> None:
        self.split, self.time = split, time
        super().__init__(
            root,
            layout=Layout(
                image_dir=f"rgb_anon/{split}/{time}",
                label_dir=f"gt/{split}/{time}",
                image_suffix="_rgb_anon.png",
                label_suffix="_gt_labelTrainIds.png",
            ),
            reader=LabelReader({i: i for i in range(len(self.CLASSES))}),
            classes=self.CLASSES,
            palette=self.PALETTE,
            **options,
        )
