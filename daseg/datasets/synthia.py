"""SYNTHIA."""

from pathlib import Path
from typing import Any

from daseg.datasets.base import SegDataset
from daseg.datasets.cityscapes import Cityscapes
from daseg.datasets.files.scan import Layout
from daseg.datasets.label_reader import LabelReader
from daseg.registry import DATASETS


@DATASETS.register_module()
class SYNTHIA(SegDataset):
    """A rendered city, 1280x760, in Cityscapes' train ids (SYNTHIA-RAND-CITYSCAPES).

    Ros et al., "The SYNTHIA Dataset", CVPR 2016. ``RGB/0000000.png`` and
    ``GT/LABELS/0000000.png``, 9,400 of them. Labels are 16-bit pictures of three channels: the
    class in the first (red), the instance in the second. Networks keep 19 outputs; results are
    reported over 16 or 13 of them: ``mIoU16`` and ``mIoU13`` of `daseg.evaluation.IoUMetric`.

    Args:
        root: Folder that holds ``RGB`` and ``GT/LABELS``.
        options: Those of `SegDataset`.
    """

    CLASSES = Cityscapes.CLASSES
    PALETTE = Cityscapes.PALETTE
    TRAIN_IDS = {
        3: 0,
        4: 1,
        2: 2,
        21: 3,
        5: 4,
        7: 5,
        15: 6,
        9: 7,
        6: 8,
        16: 9,
        1: 10,
        10: 11,
        17: 12,
        8: 13,
        18: 14,
        19: 15,
        20: 16,
        12: 17,
        11: 18,
    }
    IGNORED = (0, 13, 14, 22)  # void, parking slot, road work, lane marking

    def __init__(self, root: str | Path, **options: Any) -> None:
        super().__init__(
            root,
            layout=Layout("RGB", "GT/LABELS", image_suffix=".png", label_suffix=".png"),
            reader=LabelReader(self.TRAIN_IDS, self.IGNORED, channel=0),
            classes=self.CLASSES,
            palette=self.PALETTE,
            **options,
        )
