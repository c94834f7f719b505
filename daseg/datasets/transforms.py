"""Transforms that mmcv lacks. They draw from numpy's global generator, as mmcv's do."""

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image

from daseg.datasets.margins import MARGINS
from daseg.ops.labels import IGNORE
from daseg.registry import TRANSFORMS
from daseg.utils.errors import ConfigError

BLOCK = 2**14  # pixels whose colours are turned at once: their float32 numbers stay in the cache


@TRANSFORMS.register_module()
class RandomCrop(BaseTransform):
    """Cut out a random window, drawn up to ``tries`` times until its label meets all conditions.

    An image smaller than the window is first padded at its right and bottom. Without a label there
    are no conditions; where no window meets them, the last one is taken.

    Args:
        crop_size: (height, width) of the window, in this order (mmcv's ``scale`` is the other way).
        cat_max_ratio: Largest share of the labelled pixels that one class may have, 0..1.
        min_classes: Fewest distinct label values, "ignore" counted as one. Zheng and Yang
            ("Rectifying Pseudo Label Learning", IJCV 2021) use 11.
        class_pixels: Fewest pixels of the class that the sampler drew the sample for, if it did
            (`SampleIndex.draw_class`). Hoyer et al. ("DAFormer", CVPR 2022) take windows of more
            than 1500, in 11 tries.
        tries: Number of windows drawn at most.
        image_fill: RGB of padded pixels; the default is ImageNet's mean. Their label is 255.
    """

    def __init__(
        self,
        crop_size: tuple[int, int],
        cat_max_ratio: float = 1.0,
        min_classes: int = 0,
        tries: int = 10,
        image_fill: Sequence[int] = (124, 116, 104),
        class_pixels: int = 0,
    ) -> None:
        self.crop_size = _two_sizes("RandomCrop: crop_size", "(height, width)", crop_size)
        if tries < 1 or not 0 < cat_max_ratio <= 1 or min(min_classes, class_pixels) < 0:
            raise ConfigError(
                "RandomCrop needs tries >= 1, 0 < cat_max_ratio <= 1, min_classes >= 0 and "
                f"class_pixels >= 0, got {tries}, {cat_max_ratio}, {min_classes} and {class_pixels}"
            )
        if class_pixels > self.crop_size[0] * self.crop_size[1]:
            raise ConfigError(
                f"RandomCrop: class_pixels={class_pixels} are more than a window of "
                f"{self.crop_size} has"
            )
        check_colour("RandomCrop", image_fill)
        self.cat_max_ratio, self.min_classes, self.tries = cat_max_ratio, min_classes, tries
        self.class_pixels = class_pixels
        self.image_fill = tuple(image_fill)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Crop ``img`` (H, W, 3) and ``gt_seg_map`` (H, W); set ``crop_box`` (y, x, h, w)."""
        image, label = results["img"], results.get("gt_seg_map")
        if label is not None and label.shape != image.shape[:2]:
            raise ConfigError(
                f"RandomCrop: the image is {image.shape[:2]}, its label {label.shape} (height, "
                "width): LoadLabel belongs right after LoadImageFromFile"
            )
        image, label = self._pad(image, label)
        conditions = None if results.get(MARGINS) else label
        y, x = self._window(image, conditions, results.get("draw_class"))
        h, w = self.crop_size
        results["img"] = image[y : y + h, x : x + w]
        if label is not None:
            results["gt_seg_map"] = label[y : y + h, x : x + w]
        results["img_shape"] = self.crop_size
        results["crop_box"] = (y, x, h, w)
        return results

    def _pad(
        self, image: np.ndarray, label: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        bottom = max(0, self.crop_size[0] - image.shape[0])
        right = max(0, self.crop_size[1] - image.shape[1])
        if not bottom and not right:
            return image, label
        sides, kind = (0, bottom, 0, right), cv2.BORDER_CONSTANT
        image = cv2.copyMakeBorder(image, *sides, kind, value=self.image_fill[::-1])
        if label is not None:
            label = cv2.copyMakeBorder(label, *sides, kind, value=IGNORE)
        return image, label

    def _window(
        self, image: np.ndarray, label: np.ndarray | None, draw_class: int | None
    ) -> tuple[int, int]:
        h, w = self.crop_size
        for _ in range(self.tries):
            y = np.random.randint(image.shape[0] - h + 1)
            x = np.random.randint(image.shape[1] - w + 1)
            if label is None:
                break
            window = label[y : y + h, x : x + w]
            has_class = (
                draw_class is None or np.count_nonzero(window == draw_class) >= self.class_pixels
            )
            if has_class and self._is_varied(window):
                break
        return y, x

    def _is_varied(self, label: np.ndarray) -> bool:
        if self.min_classes == 0 and self.cat_max_ratio == 1:
            return True
        counts = _count(label)
        if np.count_nonzero(counts) < self.min_classes:
            return False
        labelled = counts[:IGNORE]
        share = labelled.max() / max(labelled.sum(), 1)
        # A window without any labelled pixel is no use, however small its largest share.
        return self.cat_max_ratio == 1 or 0 < share <= self.cat_max_ratio

    def __repr__(self) -> str:
        return (
            f"RandomCrop({self.crop_size}, cat_max_ratio={self.cat_max_ratio}, "
            f"min_classes={self.min_classes}, tries={self.tries}, "
            f"class_pixels={self.class_pixels})"
        )


def _count(label: np.ndarray) -> np.ndarray:
    """How often each value 0..255 occurs in a label; (256,) int64."""
    # OpenCV needs half of numpy's time. Its counts are float32, exact up to 2**24.
    if label.dtype == np.uint8 and label.size <= 2**24:
        counts = cv2.calcHist([label], [0], None, [IGNORE + 1], [0, IGNORE + 1])
        return counts.ravel().astype(np.int64)
    return np.bincount(label.ravel(), minlength=IGNORE + 1)


@TRANSFORMS.register_module()
class ResizePIL(BaseTransform):
    """Resize with PIL: the image by bicubic, the label by nearest neighbour.

    The published protocols of the field were measured with PIL, whose filters widen when
    shrinking (anti-aliasing); OpenCV's, and so mmcv's `Resize`, do not. Works inside mmcv's
    `RandomResize` as ``resize_type='ResizePIL'``.

    Args:
        scale: (width, height), as in mmcv.
        interpolation: Of the image: "nearest", "bilinear", "bicubic" or "lanczos".
    """

    def __init__(self, scale: tuple[int, int], interpolation: str = "bicubic") -> None:
        names = {"nearest", "bilinear", "bicubic", "lanczos"}
        if interpolation not in names:
            raise ConfigError(
                f"ResizePIL: interpolation is one of {', '.join(sorted(names))}, "
                f"not {interpolation!r}"
            )
        # mmcv's RandomResize builds it with 0, and sets the scale for each image.
        self.scale = scale if scale == 0 else self._checked(scale)
        self.interpolation = Image.Resampling[interpolation.upper()]

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Resize ``img`` (H, W, 3) uint8 and ``gt_seg_map`` (H, W), where there is one."""
        width, height = scale = self._checked(self.scale)
        image = results["img"]
        results["scale"], results["keep_ratio"] = (width, height), False
        results["scale_factor"] = (width / image.shape[1], height / image.shape[0])
        results["img"] = _resize(image, scale, self.interpolation)
        results["img_shape"] = (height, width)
        if results.get("gt_seg_map") is not None:
            label = results["gt_seg_map"]
            results["gt_seg_map"] = _resize(label, scale, Image.Resampling.NEAREST)
        return results

    def _checked(self, scale: Any) -> tuple[int, int]:
        return _two_sizes("ResizePIL: scale", "(width, height)", scale)

    def __repr__(self) -> str:
        return f"ResizePIL({self.scale}, {self.interpolation.name.lower()})"


def _resize(array: np.ndarray, scale: tuple[int, int], filter_: Image.Resampling) -> np.ndarray:
    # Channels are resized one by one, so their order (BGR here) does not matter.
    return np.array(Image.fromarray(array).resize(scale, filter_))


@TRANSFORMS.register_module()
class PhotoMetricDistortion(BaseTransform):
    """Change brightness, contrast, saturation and hue at random, each with probability 1/2.

    The data augmentation of Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016. Contrast
    comes before or after saturation and hue, with equal probability. Labels stay as they are.

    Args:
        brightness_delta: Largest change of brightness, in grey levels.
        contrast_range: Smallest and largest factor of contrast.
        saturation_range: Smallest and largest factor of saturation.
        hue_delta: Largest rotation of the hue, in degrees.
    """

    def __init__(
        self,
        brightness_delta: float = 32,
        contrast_range: tuple[float, float] = (0.5, 1.5),
        saturation_range: tuple[float, float] = (0.5, 1.5),
        hue_delta: float = 18,
    ) -> None:
        for name, given in (("contrast", contrast_range), ("saturation", saturation_range)):
            if len(given) != 2 or not 0 <= given[0] <= given[1]:
                raise ConfigError(
                    f"PhotoMetricDistortion: {name}_range is (smallest, largest), at least 0, "
                    f"got {given}"
                )
        if brightness_delta < 0 or hue_delta < 0:
            raise ConfigError(
                "PhotoMetricDistortion: brightness_delta and hue_delta are at least 0, got "
                f"{brightness_delta} and {hue_delta}"
            )
        self.brightness_delta = brightness_delta
        self.contrast_range = contrast_range
        self.saturation_range = saturation_range
        self.hue_delta = hue_delta

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Distort ``img``, (H, W, 3) uint8 BGR."""
        brightness = (
            np.random.uniform(-self.brightness_delta, self.brightness_delta) if _coin() else 0.0
        )
        contrast = np.random.uniform(*self.contrast_range) if _coin() else 1.0
        first, last = (contrast, 1.0) if _coin() else (1.0, contrast)
        saturation = np.random.uniform(*self.saturation_range) if _coin() else 1.0
        hue = np.random.uniform(-self.hue_delta, self.hue_delta) if _coin() else 0.0

        def light(values: np.ndarray) -> np.ndarray:
            return np.clip((values + brightness) * first, 0, 255)

        image = results["img"]
        if saturation == 1 and hue == 0:
            results["img"] = _look_up(image, lambda values: _to_bytes(light(values), last))
            return results
        results["img"] = np.empty(image.shape, np.uint8)
        rows = max(1, BLOCK // image.shape[1])
        for y in range(0, image.shape[0], rows):
            block = _look_up(image[y : y + rows], lambda values: light(values) / 255)
            turned = _turn_colours(block, saturation, hue)
            results["img"][y : y + rows] = _to_bytes(turned, last)
        return results


def _two_sizes(name: str, order: str, given: Any) -> tuple[int, int]:
    """The two numbers of pixels; raise `ConfigError` if they are not."""
    sizes = tuple(given) if isinstance(given, Sequence) and not isinstance(given, str) else ()
    whole = all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in sizes)
    if len(sizes) != 2 or not whole or min(sizes) <= 0:
        raise ConfigError(f"{name} is {order}, two whole numbers of pixels above 0, got {given!r}")
    return int(sizes[0]), int(sizes[1])


def check_colour(who: str, given: Any) -> None:
    """Raise `ConfigError` unless ``given`` is an RGB colour of 0..255."""
    if len(given) != 3 or not all(0 <= value <= 255 for value in given):
        raise ConfigError(f"{who}: image_fill is RGB, three numbers of 0..255, got {given!r}")


def _coin() -> bool:
    return bool(np.random.randint(2))


def _look_up(image: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Change each value by a function of float32; of bytes there are only 256 values."""
    if image.dtype != np.uint8:
        return change(image.astype(np.float32))
    return cv2.LUT(image, change(np.arange(256, dtype=np.float32)))


def _to_bytes(values: np.ndarray, factor: float) -> np.ndarray:
    """Float32 numbers, not negative, times a factor, rounded and cut off at 255."""
    return cv2.convertScaleAbs(values, alpha=factor).reshape(values.shape)


def _turn_colours(image: np.ndarray, saturation: float, hue: float) -> np.ndarray:
    """Scale the saturation and turn the hue (degrees) of a float image in BGR, 0..1, to 0..255."""
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)  # hue 0..360, saturation 0..1
    # Remainder of 360, exact as numpy's for less than a turn, in a seventh of the time.
    turned = hsv[..., 0] + hue
    turned -= 360 * np.floor(turned / 360)
    hsv[..., 0] = turned
    hsv[..., 1] = np.minimum(hsv[..., 1] * saturation, 1)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR) * 255
