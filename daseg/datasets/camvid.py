"""CamVid."""

from pathlib import Path
from typing import Any

from daseg.datasets.base import SegDataset
from daseg.datasets.files.scan import Layout
from daseg.datasets.label_reader import LabelReader
from daseg.registry import DATASETS


@DATASETS.register_module()
class CamVid(SegDataset):
    """701 dash-cam photographs of Cambridge, 480x360, 11 classes; by day, and one drive at dusk.

    Brostow, Fauqueur, Cipolla, "Semantic object classes in video: A high-definition ground truth
    database", PRL 2009, with the 11 classes of Badrinarayanan et al., "SegNet", TPAMI 2017.
    ``images/<sequence>/<name>.jpg``, ``labels/<sequence>/<name>.png`` (ids 0..10, 11 void).

    Args:
        root: Folder that holds ``images``, ``labels`` and ``lists``.
        options: Those of `SegDataset`; ``list_file='lists/day_train.txt'`` chooses a split.
    """

    CLASSES = (
        "sky",
        "building",
        "pole",
        "road",
        "pavement",
        "tree",
        "sign",
        "fence",
        "car",
        "pedestrian",
        "bicyclist",
    )
    PALETTE = [
        [128, 128, 128],
        [128, 0, 0],
        [192, 192, 128],
        [128, 64, 128],
        [60, 40, 222],
        [128, 128, 0],
        [192, 128, 128],
        [64, 64, 128],
        [64, 0, 128],
        [64, 64, 0],
        [0, 128, 192],
    ]

    def __init__(self, root: str | Path, **options: Any) -> None:
        super().__init__(
            root,
            layout=Layout("images", "labels", image_suffix=".jpg", label_suffix=".png"),
            reader=LabelReader({i: i for i in range(len(self.CLASSES))}, ignored=(11,)),
            classes=self.CLASSES,
            palette=self.PALETTE,
            **options,
        )
