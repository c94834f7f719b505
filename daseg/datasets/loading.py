"""The ends of a pipeline: reading the label, packing the sample."""

from typing import Any, Literal

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from PIL import Image

from daseg.datasets.files.io import read_image
from daseg.datasets.files.picture import UPRIGHT, orientation
from daseg.datasets.margins import MARGINS
from daseg.datasets.pixels import TO_ONE, PixelError, complaint, rounded
from daseg.ops.labels import IGNORE
from daseg.registry import TRANSFORMS
from daseg.utils.errors import ConfigError, DataError


@TRANSFORMS.register_module()
class LoadLabel(BaseTransform):
    """Read the label as train ids into ``gt_seg_map``, (H, W) uint8, 255 = ignore.

    In training it stands right after `LoadImageFromFile`, so that what follows moves image and
    label together. In testing it stands after the resizing, so that the label keeps its full
    resolution. Where the data set has ``labels=False``, it does nothing.

    Args:
        on_size_mismatch: Where image and label file differ in size: "error", or "resize" the label
            to the image's (nearest neighbour), which a few images of GTA5 need.
    """

    def __init__(self, on_size_mismatch: Literal["error", "resize"] = "error") -> None:
        if on_size_mismatch not in ("error", "resize"):
            raise ConfigError(
                f"LoadLabel: on_size_mismatch is 'error' or 'resize', not {on_size_mismatch!r}"
            )
        self.on_size_mismatch = on_size_mismatch

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``gt_seg_map``.

        Raises:
            DataError: The file cannot be read, holds an unknown id or has another size.
            ConfigError: A transform before this one has moved the image.
        """
        path = results["seg_map_path"]
        if path is None:
            return results
        if results.get("flip") or "crop_box" in results or "auto_augmented" in results:
            raise ConfigError(
                "LoadLabel stands after a flip or crop or an augmentation that moves the image, "
                "which the label would miss: put it right after LoadImageFromFile"
            )
        label = results["label_reader"].read(path)
        size = tuple(results["ori_shape"])
        if label.shape != size:
            label = self._fit(label, size, results)
        results["gt_seg_map"] = label
        return results

    def _fit(self, label: np.ndarray, size: tuple[int, int], results: dict[str, Any]) -> np.ndarray:
        if self.on_size_mismatch == "error":
            raise DataError(
                size_mismatch(results["img_path"], size, results["seg_map_path"], label)
            )
        width_height = size[::-1]
        return np.asarray(Image.fromarray(label).resize(width_height, Image.Resampling.NEAREST))


def size_mismatch(image: str, size: tuple[int, int], path: str, label: np.ndarray) -> str:
    """The message for an image and a label of different size (height, width)."""
    turn = orientation(image)
    if turn > 4 and label.shape == size[::-1]:
        return (
            f"image {image} is {size[1]}x{size[0]} (width x height) as it is stored, but its label "
            f"{path} is {label.shape[1]}x{label.shape[0]}: the image's EXIF tag (orientation "
            f"{turn}) asks viewers to turn it, and the label is of the turned picture. daseg turns "
            f"neither: {UPRIGHT}"
        )
    return (
        f"image {image} is {size[1]}x{size[0]} (width x height), but its label {path} is "
        f"{label.shape[1]}x{label.shape[0]}; LoadLabel(on_size_mismatch='resize') would fit it"
    )


@TRANSFORMS.register_module()
class PackSample(BaseTransform):
    """The last transform: tensors, and where they come from. Here BGR becomes RGB, once.

    It gives ``image``: (3, H, W) uint8 RGB; ``label``: (H, W) int64 train ids, absent where there
    is none; ``meta``: ``image_path``, ``label_path`` (or None), ``name``, ``ori_shape`` (height,
    width of the image file), ``label_shape`` (height, width of ``label``, or None), and
    ``draw_class`` where the sampler drew the sample for a class. What `DomainPair` has loaded from
    pseudo-labels it gives as ``pseudo_label``, never as ``label``; what `IgnoreMargins` has marked
    as ``trusted``: (H, W) bool, False in the margins.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pack ``img`` (H, W, 3) BGR 0..255 and ``gt_seg_map`` (H, W); float numbers are rounded.

        Raises:
            PixelError: The image has other numbers, or not three channels. Nothing is cut off.
        """
        image, label = results["img"], results.get("gt_seg_map")
        problem = complaint(image)
        if problem and TO_ONE in problem and read_image(results["img_path"]).max() <= 1:
            problem = ""  # the file itself is as dark
        if problem:
            raise PixelError(f"PackSample: the image of {results['img_path']} {problem}")
        if image.dtype != np.uint8:
            image = rounded(image)
        rgb = np.empty((3, *image.shape[:2]), np.uint8)
        cv2.split(image, list(rgb[::-1]))  # in place, and thrice as fast as numpy's transposition
        packed: dict[str, Any] = dict(image=torch.from_numpy(rgb))
        pseudo = results.get("pseudo_label_path")
        if results.get(MARGINS):
            packed["trusted"], label = torch.from_numpy(label != IGNORE), None
        if label is not None:
            packed["pseudo_label" if pseudo else "label"] = torch.from_numpy(label.astype(np.int64))
        packed["meta"] = dict(
            image_path=results["img_path"],
            label_path=results.get("seg_map_path"),
            name=results.get("name", ""),
            ori_shape=tuple(results["ori_shape"]),
            label_shape=None if label is None or pseudo else tuple(label.shape),
        )
        if "draw_class" in results:
            packed["meta"]["draw_class"] = results["draw_class"]
        return packed
