"""Mapillary Vistas."""

from pathlib import Path
from typing import Any, Literal

from daseg.datasets.base import SegDataset
from daseg.datasets.cityscapes import Cityscapes
from daseg.datasets.files.scan import Layout
from daseg.datasets.label_reader import LabelReader
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError

# Label id: train id of Cityscapes. For 1.2 as domain generalization papers evaluate on it (Choi
# et al., "RobustNet", CVPR 2021); for 2.0, which divides these classes, the same by their names.
_TRAIN_IDS = {
    "1.2": {13: 0, 24: 0, 41: 0}  # road, lane marking, manhole
    | {2: 1, 15: 1}  # curb, sidewalk
    | {17: 2, 6: 3, 3: 4}  # building, wall, fence
    | {45: 5, 47: 5}  # pole, utility pole
    | {48: 6, 50: 7, 30: 8, 29: 9, 27: 10, 19: 11}  # light, sign's front, vegetation ... person
    | {20: 12, 21: 12, 22: 12}  # riders of bicycles, motorcycles and other things
    | {55: 13, 61: 14, 54: 15, 58: 16, 57: 17, 52: 18},  # car ... bicycle
    "2.0": {21: 0, 74: 0}  # road, manhole
    | {i: 0 for i in range(35, 59) if i not in (45, 56)}  # lane markings, not crosswalks
    | {4: 1, 24: 1}  # curb, sidewalk
    | {27: 2, 28: 2, 12: 3, 5: 4}  # building, garage, wall, fence
    | {85: 5, 86: 5, 88: 5}  # pole, pole group, utility pole
    | dict.fromkeys(range(90, 96), 6)  # traffic lights
    | {99: 7, 100: 7, 101: 7, 103: 7}  # fronts of traffic signs
    | {64: 8, 63: 9, 61: 10, 30: 11, 31: 11}  # vegetation, terrain, sky, person, group
    | {32: 12, 33: 12, 34: 12}  # riders
    | {108: 13, 114: 14, 107: 15, 111: 16, 110: 17, 105: 18},  # car ... bicycle
}
_NUM_IDS = {"1.2": 66, "2.0": 124}


@DATASETS.register_module()
class MapillaryVistas(SegDataset):
    """Street photographs of the whole world, of many sizes, in Cityscapes' 19 classes.

    Neuhold et al., "The Mapillary Vistas Dataset for Semantic Understanding of Street Scenes",
    ICCV 2017. ``<split>/images/*.jpg`` and ``<split>/v2.0/labels/*.png``, palette pictures of 66
    (version 1.2) or 124 label ids (2.0). Training 18,000, validation 2,000 images. An archive of
    version 1.2 alone has its labels in ``<split>/labels``, where they are found, too.

    Args:
        root: Folder that holds ``training`` and ``validation``.
        split: "training", "validation" or "testing", which has no labels.
        version: Of the labels: "2.0" or "1.2". What becomes of their ids is in ``TRAIN_IDS``; all
            others are ignored.
        options: Those of `SegDataset`.
    """

    CLASSES = Cityscapes.CLASSES
    PALETTE = Cityscapes.PALETTE
    TRAIN_IDS = _TRAIN_IDS

    def __init__(
        self,
        root: str | Path,
        split: str = "training",
        *,
        version: Literal["1.2", "2.0"] = "2.0",
        **options: Any,
    ) -> None:
        if version not in self.TRAIN_IDS:
            raise ConfigError(f"MapillaryVistas: version is '1.2' or '2.0', not {version!r}")
        self.split = split
        labels = Path(options.get("label_root") or root).expanduser() / split
        alone = version == "1.2" and not (labels / "v1.2").is_dir() and (labels / "labels").is_dir()
        ids = self.TRAIN_IDS[version]
        super().__init__(
            root,
            layout=Layout(
                image_dir=f"{split}/images",
                label_dir=f"{split}/labels" if alone else f"{split}/v{version}/labels",
                image_suffix=".jpg",
                label_suffix=".png",
            ),
            reader=LabelReader(ids, sorted({*range(_NUM_IDS[version])} - ids.keys())),
            classes=self.CLASSES,
            palette=self.PALETTE,
            **options,
        )
