"""ACDC."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from daseg.datasets.base import SegDataset
from daseg.datasets.cityscapes import Cityscapes
from daseg.datasets.files.scan import Layout
from daseg.datasets.label_reader import LabelReader
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError

CONDITIONS = ("fog", "night", "rain", "snow")


@DATASETS.register_module()
class ACDC(SegDataset):
    """Streets in fog, at night, in rain and in snow, 1920x1080, in Cityscapes' 19 classes.

    Sakaridis, Dai, Van Gool, "ACDC: The Adverse Conditions Dataset with Correspondences for
    Semantic Driving Scene Understanding", ICCV 2021. The folders are those of the published
    archives: ``rgb_anon/<condition>/<split>/<sequence>/*_rgb_anon.png`` and
    ``gt/<condition>/<split>/<sequence>/*_gt_labelTrainIds.png``. Train 1600, val 406, test 2000
    images; the labels of the test split are not published, nor those of some reference images.

    Args:
        root: Folder that holds ``rgb_anon`` and ``gt``.
        split: "train", "val" or "test"; "train_ref", "val_ref" or "test_ref": the same places in
            good weather.
        conditions: Those of the four that are taken.
        options: Those of `SegDataset`.
    """

    CLASSES = Cityscapes.CLASSES
    PALETTE = Cityscapes.PALETTE

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        conditions: Sequence[str] = CONDITIONS,
        **options: Any,
    ) -> None:
        wrong = [name for name in conditions if name not in CONDITIONS]
        if wrong or isinstance(conditions, str) or not conditions:
            raise ConfigError(
                f"ACDC: conditions is a list of some of {', '.join(CONDITIONS)}, not {conditions!r}"
            )
        self.split, self.conditions = split, tuple(conditions)
        super().__init__(
            root,
            layout=Layout(
                image_dir="rgb_anon",
                label_dir="gt",
                image_suffix="_rgb_anon.png",
                label_suffix="_gt_labelTrainIds.png",
                folders=tuple(f"{condition}/{split}" for condition in self.conditions),
            ),
            reader=LabelReader({i: i for i in range(len(self.CLASSES))}),
            classes=self.CLASSES,
            palette=self.PALETTE,
            **options,
        )
