"""The margins of target images in which a teacher's labels count nothing."""

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from daseg.ops.labels import IGNORE
from daseg.registry import TRANSFORMS
from daseg.utils.errors import ConfigError

MARGINS = "has_margins"  # the key of results whose gt_seg_map is not a label, but has the margins


@TRANSFORMS.register_module()
class IgnoreMargins(BaseTransform):
    """Mark the margins of a target's image, in which pseudo-labels of the teacher have weight 0.

    For images without a picture at their borders, as rectified ones, and with the own car in them.
    `ClassMix` and `MaskedConsistency` leave the margins out, wherever a crop and a flip have taken
    them; pixels that a transform adds around the image count as margins, too. Their own
    ``ignore_top`` and so on are margins of the crop instead. Hoyer et al. ("HRDA", ECCV 2022) have
    30, 240, 30 and 30 pixels of Cityscapes' 2048x1024.

    It stands after `LoadImageFromFile`, before or after a resizing, in a pipeline without labels;
    `Pipeline` refuses it behind anything else, which may have moved the image.

    Args:
        top: Rows at the top.
        bottom: Rows at the bottom.
        left: Columns at the left.
        right: Columns at the right.
        size: (width, height) of the image that these pixels are of; for an image of another size
            they are scaled and rounded. None: of every image, whatever its size.

    Raises:
        ConfigError: A number is negative, or the margins leave nothing of ``size``.
    """

    def __init__(
        self,
        top: int = 0,
        bottom: int = 0,
        left: int = 0,
        right: int = 0,
        *,
        size: tuple[int, int] | None = None,
    ) -> None:
        self.top, self.bottom, self.left, self.right = top, bottom, left, right
        self.size = size
        if min(top, bottom, left, right) < 0:
            raise ConfigError(f"IgnoreMargins: {self} has a negative number of pixels")
        if size is not None:
            self._check(top, bottom, left, right, size)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``gt_seg_map`` (H, W): 255 in the margins and 0 elsewhere; it moves with ``img``.

        Raises:
            ConfigError: There are labels, other margins, or nothing is left of the image.
        """
        if results.get(MARGINS):
            raise ConfigError(
                "a pipeline has IgnoreMargins twice: give the wider margins of each side to one"
            )
        if results.get("gt_seg_map") is not None or results.get("seg_map_path") is not None:
            raise ConfigError(
                "IgnoreMargins marks where a teacher's labels count, and the images here have "
                "labels or pseudo-labels from files: it belongs into the pipeline of a target "
                "without pseudo_labels"
            )
        height, width = results["img"].shape[:2]
        real_width, real_height = self.size or (width, height)
        top, bottom = (round(side * height / real_height) for side in (self.top, self.bottom))
        left, right = (round(side * width / real_width) for side in (self.left, self.right))
        self._check(top, bottom, left, right, (width, height))
        marked = np.full((height, width), IGNORE, np.uint8)
        marked[top : height - bottom, left : width - right] = 0
        results["gt_seg_map"], results[MARGINS] = marked, True
        return results

    def _check(self, top: int, bottom: int, left: int, right: int, size: tuple[int, int]) -> None:
        width, height = size
        if top + bottom >= height or left + right >= width:
            raise ConfigError(
                f"{self} leaves nothing of images of {width}x{height} (width x height)"
            )

    def __repr__(self) -> str:
        return (
            f"IgnoreMargins(top={self.top}, bottom={self.bottom}, left={self.left}, "
            f"right={self.right}, size={self.size})"
        )
