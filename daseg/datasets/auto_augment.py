"""AutoAugment and its successors for an image and its labels.

Policies and operations are torchvision's, on PIL images, as in the papers; random numbers are
torch's. torchvision refuses labels in them, so private methods of its classes are overridden.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torchvision
from mmcv.transforms import BaseTransform
from PIL import Image
from torchvision.transforms import v2

from daseg.datasets.transforms import check_colour
from daseg.ops.labels import IGNORE
from daseg.registry import TRANSFORMS
from daseg.utils.errors import ConfigError

GEOMETRIC = frozenset("ShearX ShearY TranslateX TranslateY Rotate".split())
COLOURS = frozenset(
    "Identity Brightness Color Contrast Sharpness Posterize Solarize AutoContrast Equalize "
    "Invert".split()
)
# torchvision's private methods that are overridden or called, and their classes.
HOOKS = {
    "_apply_image_or_video_transform": (v2.AutoAugment, v2.RandAugment, v2.TrivialAugmentWide),
    "_get_random_item": (v2.RandAugment, v2.TrivialAugmentWide),
    "_get_policies": (v2.AutoAugment,),
}
POLICIES = tuple(policy.value for policy in v2.AutoAugmentPolicy)
INTERPOLATIONS = ("nearest", "bilinear", "bicubic")
Interpolation = Literal["nearest", "bilinear", "bicubic"]
GREY = (124, 116, 104)  # ImageNet's mean, RGB


class _LabelsFollow(v2.Transform):
    """Mixed into an augmentation of torchvision: geometric operations move `_labels` too."""

    _labels: Sequence[Image.Image] = ()
    _geometric = True

    def _apply_image_or_video_transform(
        self,
        image: Image.Image,
        transform_id: str,
        magnitude: float,
        interpolation: Any,
        fill: dict[Any, Any],
    ) -> Image.Image:
        if transform_id not in (COLOURS | GEOMETRIC if self._geometric else COLOURS):
            raise ConfigError(
                f"torchvision {torchvision.__version__} has an operation {transform_id}, of which "
                "daseg does not know whether it moves labels: install torchvision 0.21 to 0.29"
            )
        apply = super()._apply_image_or_video_transform
        if transform_id in GEOMETRIC:
            nearest, ignored = v2.InterpolationMode.NEAREST, dict(others=IGNORE)
            self._labels = [
                apply(label, transform_id, magnitude, nearest, ignored) for label in self._labels
            ]
        elif transform_id == "Solarize":  # published thresholds go from 256 to 0; torchvision's
            magnitude *= 256 / 255  # from 255, where the weakest turns white into black
        return apply(image, transform_id, magnitude, interpolation, fill)

    def _get_random_item(self, operations: dict[str, Any]) -> tuple[str, Any]:
        if not self._geometric:
            operations = {k: v for k, v in operations.items() if k not in GEOMETRIC}
        return super()._get_random_item(operations)


class _AutoAugment(_LabelsFollow, v2.AutoAugment):
    def leave_out_geometry(self) -> None:
        self._policies = [
            pair
            for pair in self._get_policies(self.policy)
            if not GEOMETRIC & {op[0] for op in pair}
        ]


class _RandAugment(_LabelsFollow, v2.RandAugment):
    pass


class _TrivialAugmentWide(_LabelsFollow, v2.TrivialAugmentWide):
    pass


class _Augmentation(BaseTransform):
    """Runs an augmentation of torchvision on an image and its labels."""

    def __init__(
        self,
        augmentation: Callable[..., Any],
        geometric: bool,
        interpolation: str,
        image_fill: Sequence[int],
        **options: Any,
    ) -> None:
        _check_torchvision()
        if interpolation not in INTERPOLATIONS:
            raise ConfigError(
                f"{type(self).__name__}: interpolation is one of {', '.join(INTERPOLATIONS)}, "
                f"not {interpolation!r}"
            )
        check_colour(type(self).__name__, image_fill)
        mode = v2.InterpolationMode(interpolation)
        self.augmentation = augmentation(interpolation=mode, fill=list(image_fill), **options)
        self.augmentation._geometric = self.geometric = geometric

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change ``img`` (H, W, 3) uint8 BGR; ``gt_seg_map`` and ``seg_fields`` (H, W) follow.

        Raises:
            ConfigError: The image is not uint8, or a label is of another size or no integers.
        """
        fields = dict.fromkeys(["gt_seg_map", *results.get("seg_fields", ())])
        names = [name for name in fields if results.get(name) is not None]
        self._check(results, names)
        image = Image.fromarray(np.ascontiguousarray(results["img"][..., ::-1]))
        self.augmentation._labels = [  # PIL knows bytes and 32-bit integers
            Image.fromarray(label.astype(np.uint8 if label.dtype == np.uint8 else np.int32))
            for label in (results[name] for name in names)
        ]
        results["img"] = np.ascontiguousarray(np.asarray(self.augmentation(image))[..., ::-1])
        for name, label in zip(names, self.augmentation._labels, strict=True):
            results[name] = np.array(label).astype(results[name].dtype, copy=False)
        if self.geometric:
            results["auto_augmented"] = True  # a `LoadLabel` after this would be wrong
        return results

    def _check(self, results: dict[str, Any], names: Sequence[str]) -> None:
        who, image = type(self).__name__, results["img"]
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ConfigError(
                f"{who}: works on colour images of bytes, (H, W, 3) uint8, but the image is "
                f"{image.shape} {image.dtype}: put it before the transform that changes that"
            )
        for name in names:
            label = results[name]
            if label.shape != image.shape[:2]:
                raise ConfigError(
                    f"{who}: the image is {image.shape[:2]}, its {name} {label.shape} (height, "
                    "width): LoadLabel belongs right after LoadImageFromFile"
                )
            if label.dtype.kind not in "iu" or np.iinfo(label.dtype).max < IGNORE:
                raise ConfigError(
                    f"{who}: {name} is {label.dtype}, but a label is of integers up to {IGNORE}"
                )

    def __repr__(self) -> str:
        settings = self.augmentation.extra_repr()
        return f"{type(self).__name__}(geometric={self.geometric}, {settings})"


def _check_torchvision() -> None:
    # If a method has another name, torchvision moves the image and not the label.
    missing = [h for h, users in HOOKS.items() if not all(hasattr(user, h) for user in users)]
    if missing:
        raise ConfigError(
            f"torchvision {torchvision.__version__} lacks {', '.join(missing)}, without which "
            "labels would not follow the image: install torchvision 0.21 to 0.29"
        )


@TRANSFORMS.register_module()
class AutoAugment(_Augmentation):
    """One of 25 learnt pairs of operations, each operation with its probability and strength.

    Cubuk et al., "AutoAugment: Learning Augmentation Strategies from Data", CVPR 2019. Labels are
    moved with the image, by nearest neighbour; pixels from outside the image get the label 255.

    Without geometry the policy "imagenet" has 18 pairs, which change only colours. These are the
    pairs in the code of Zheng and Yang, "Rectifying Pseudo Label Learning", IJCV 2021.

    Args:
        policy: The data set that it was learnt for: "imagenet", "cifar10" or "svhn".
        geometric: False: leave out each pair that shears, moves or turns the image.
        interpolation: How a moved image is sampled: "nearest", "bilinear" or "bicubic".
        image_fill: RGB, 0..255, of pixels from outside the image; default: ImageNet's mean.
    """

    def __init__(
        self,
        policy: Literal["imagenet", "cifar10", "svhn"] = "imagenet",
        geometric: bool = True,
        interpolation: Interpolation = "bilinear",
        image_fill: Sequence[int] = GREY,
    ) -> None:
        if policy not in POLICIES:
            known = ", ".join(POLICIES)
            raise ConfigError(f"AutoAugment: policy is one of {known}, not {policy!r}")
        options = dict(policy=v2.AutoAugmentPolicy(policy))
        super().__init__(_AutoAugment, geometric, interpolation, image_fill, **options)
        if not geometric:
            self.augmentation.leave_out_geometry()


@TRANSFORMS.register_module()
class RandAugment(_Augmentation):
    """A few operations at random, one after the other, all of the same strength.

    Cubuk et al., "RandAugment: Practical Automated Data Augmentation with a Reduced Search Space",
    NeurIPS 2020. Labels are moved as in `AutoAugment`.

    Args:
        num_ops: Number of operations, at least 1.
        magnitude: Their strength, 0..num_magnitude_bins - 1. At 0 only operations without a
            strength (AutoContrast, Equalize) change the image.
        num_magnitude_bins: Number of strengths, at least 2.
        geometric: False: draw only operations that do not move the image.
        interpolation: As in `AutoAugment`.
        image_fill: As in `AutoAugment`.
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        geometric: bool = True,
        interpolation: Interpolation = "bilinear",
        image_fill: Sequence[int] = GREY,
    ) -> None:
        if num_ops < 1 or not 0 <= magnitude < num_magnitude_bins or num_magnitude_bins < 2:
            raise ConfigError(
                "RandAugment needs num_ops >= 1, num_magnitude_bins >= 2 and 0 <= magnitude < "
                f"num_magnitude_bins, got {num_ops}, {num_magnitude_bins} and {magnitude}"
            )
        options = dict(num_ops=num_ops, magnitude=magnitude, num_magnitude_bins=num_magnitude_bins)
        super().__init__(_RandAugment, geometric, interpolation, image_fill, **options)


@TRANSFORMS.register_module()
class TrivialAugmentWide(_Augmentation):
    """One random operation of random strength.

    Müller and Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation", ICCV
    2021, with the wide range of strengths: rotations by up to 135 degrees. Labels are moved as in
    `AutoAugment`.

    Args:
        num_magnitude_bins: Number of strengths, at least 2.
        geometric: False: draw from those operations alone that do not move the image.
        interpolation: As in `AutoAugment`.
        image_fill: As in `AutoAugment`.
    """

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        geometric: bool = True,
        interpolation: Interpolation = "bilinear",
        image_fill: Sequence[int] = GREY,
    ) -> None:
        if num_magnitude_bins < 2:
            raise ConfigError(
                f"TrivialAugmentWide needs num_magnitude_bins >= 2, got {num_magnitude_bins}"
            )
        options = dict(num_magnitude_bins=num_magnitude_bins)
        super().__init__(_TrivialAugmentWide, geometric, interpolation, image_fill, **options)
