"""Cityscapes."""

from pathlib import Path
from typing import Any, Literal

from daseg.datasets.base import SegDataset
from daseg.datasets.label_reader import LabelReader
from daseg.datasets.scan import Layout
from daseg.registry import DATASETS
from daseg.utils import labels


@DATASETS.register_module()
class Cityscapes(SegDataset):
    """Street scenes of 50 cities, 2048x1024, 19 classes.

    Cordts et al., "The Cityscapes Dataset for Semantic Urban Scene Understanding", CVPR 2016.
    ``leftImg8bit/<split>/<city>/*_leftImg8bit.png`` and
    ``gtFine/<split>/<city>/*_gtFine_labelIds.png``. Train 2975, val 500 images; the labels of the
    test split are not published.

    Args:
        root: Folder that holds ``leftImg8bit`` and ``gtFine``.
        split: "train", "val", "test" or "train_extra".
        annotation: "gtFine" or "gtCoarse".
        options: Those of `SegDataset`.
    """

    CLASSES = labels.CITYSCAPES_CLASSES
    PALETTE = labels.CITYSCAPES_PALETTE

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
            reader=LabelReader(labels.CITYSCAPES_TRAIN_IDS, labels.CITYSCAPES_IGNORED),
            classes=self.CLASSES,
            palette=self.PALETTE,
            **options,
        )
