"""SYNTHIA."""

from pathlib import Path
from typing import Any

from daseg.datasets.base import SegDataset
from daseg.datasets.label_reader import LabelReader
from daseg.datasets.scan import Layout
from daseg.registry import DATASETS
from daseg.utils import labels


@DATASETS.register_module()
class SYNTHIA(SegDataset):
    """A rendered city, 1280x760, in Cityscapes' train ids (SYNTHIA-RAND-CITYSCAPES).

    Ros et al., "The SYNTHIA Dataset", CVPR 2016. ``RGB/0000000.png`` and
    ``GT/LABELS/0000000.png``, 9,400 of them. Labels are 16-bit pictures of three channels: the
    class in the first (red), the instance in the second. Networks keep 19 outputs; results are
    reported over `SYNTHIA_16` or `SYNTHIA_13` of them.

    Args:
        root: Folder that holds ``RGB`` and ``GT/LABELS``.
        options: Those of `SegDataset`.
    """

    CLASSES = labels.CITYSCAPES_CLASSES
    PALETTE = labels.CITYSCAPES_PALETTE

    def __init__(self, root: str | Path, **options: Any) -> None:
        super().__init__(
            root,
            layout=Layout("RGB", "GT/LABELS", image_suffix=".png", label_suffix=".png"),
            reader=LabelReader(labels.SYNTHIA_TRAIN_IDS, labels.SYNTHIA_IGNORED, channel=0),
            classes=self.CLASSES,
            palette=self.PALETTE,
            **options,
        )
