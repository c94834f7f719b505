"""India Driving Dataset."""

from pathlib import Path
from typing import Any, Literal

from daseg.datasets.base import SegDataset
from daseg.datasets.cityscapes import Cityscapes
from daseg.datasets.files.scan import Layout
from daseg.datasets.label_reader import LabelReader
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError

# id, as the official tool numbers the classes: train id of Cityscapes.
_TRAIN_IDS = {
    0: 0,  # road
    3: 1,  # sidewalk
    5: 9,  # non-drivable fallback: terrain
    6: 11,  # person
    8: 12,  # rider
    9: 17,  # motorcycle
    10: 18,  # bicycle
    12: 13,  # car
    13: 14,  # truck
    14: 15,  # bus
    17: 16,  # train
    20: 3,  # wall
    21: 4,  # fence
    24: 7,  # traffic sign
    25: 6,  # traffic light
    26: 5,  # pole
    29: 2,  # building
    32: 8,  # vegetation
    33: 10,  # sky
}


@DATASETS.register_module()
class IDD(SegDataset):
    """Streets of Hyderabad and Bangalore, mostly 1920x1080, in Cityscapes' 19 classes.

    Varma et al., "IDD: A Dataset for Exploring Problems of Autonomous Navigation in Unconstrained
    Environments", WACV 2019. ``leftImg8bit/<split>/<drive>/*_leftImg8bit.png`` (.jpg in its second
    part) and ``gtFine/<split>/<drive>/*_gtFine_labelcsTrainIds.png``. The archives hold polygons;
    the label files are made of them by the official tool, github.com/AutoNUE/public-code:
    ``preperation/createLabels.py --id-type csTrainId``. Ids and their train ids are its own; what
    Cityscapes has not, such as autorickshaws, is ignored.

    Args:
        root: Folder that holds ``leftImg8bit`` and ``gtFine``.
        split: "train", "val" or "test".
        ids: What the tool was told to write: "csTrainId", or "id", whose files end in
            ``_gtFine_labelids.png``.
        options: Those of `SegDataset`.
    """

    CLASSES = Cityscapes.CLASSES
    PALETTE = Cityscapes.PALETTE
    TRAIN_IDS = _TRAIN_IDS
    IGNORED = (*sorted({*range(40)} - _TRAIN_IDS.keys()), 255)

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        ids: Literal["csTrainId", "id"] = "csTrainId",
        **options: Any,
    ) -> None:
        self.split = split
        readers = {
            "csTrainId": LabelReader({i: i for i in range(len(self.CLASSES))}),
            "id": LabelReader(self.TRAIN_IDS, self.IGNORED),
        }
        if ids not in readers:
            raise ConfigError(f"IDD: ids is 'csTrainId' or 'id', not {ids!r}")
        super().__init__(
            root,
            layout=Layout(
                image_dir=f"leftImg8bit/{split}",
                label_dir=f"gtFine/{split}",
                image_suffix=("_leftImg8bit.png", "_leftImg8bit.jpg"),
                label_suffix=f"_gtFine_label{ids}s.png",
            ),
            reader=readers[ids],
            classes=self.CLASSES,
            palette=self.PALETTE,
            **options,
        )
