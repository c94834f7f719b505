"""The start of a pipeline: reading the image."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from mmcv.transforms import LoadImageFromFile as MmcvLoader

from daseg.datasets.files.io import read_image
from daseg.registry import TRANSFORMS
from daseg.utils.errors import ConfigError


@TRANSFORMS.register_module()
class LoadImageFromFile(MmcvLoader):
    """Read the image into ``img``, (H, W, 3) BGR, as the file stores it.

    It stands in the place of mmcv's, and gives the same pixels for ordinary pictures. But it never
    turns one as an EXIF tag says, which its label would not follow, and refuses by name what does
    not say which colours it means; see `daseg.datasets.files.io.read_image`.

    Args:
        to_float32: Give float32 in place of uint8.
        color_type: "color" alone; mmcv knows others.
        imdecode_backend: "cv2" alone; mmcv knows others.
        max_value: Largest value that samples of 16-bit pictures have: 4095 for cameras of 12 bits.
            Predictions are made with that of the test pipeline.

    Raises:
        ConfigError: An option says what daseg does not do.
    """

    def __init__(
        self,
        to_float32: bool = False,
        color_type: str = "color",
        imdecode_backend: str = "cv2",
        *,
        max_value: int | None = None,
    ) -> None:
        if color_type != "color" or imdecode_backend != "cv2":
            raise ConfigError(
                "LoadImageFromFile: color_type is 'color' and imdecode_backend 'cv2', not "
                f"{color_type!r} and {imdecode_backend!r}: networks see three channels, and all "
                "tools read the same pixels"
            )
        whole = isinstance(max_value, int) and not isinstance(max_value, bool)
        if max_value is not None and not (whole and 255 <= max_value <= 65535):
            raise ConfigError(
                "LoadImageFromFile: max_value is a whole number from 255 to 65535, "
                f"not {max_value!r}"
            )
        super().__init__(to_float32)
        self.max_value = max_value

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``img``, ``img_shape`` and ``ori_shape``, both (height, width).

        Raises:
            DataError: The file cannot be read.
        """
        image = read_image(results["img_path"], self.max_value)
        results["img"] = image.astype(np.float32) if self.to_float32 else image
        results["img_shape"] = results["ori_shape"] = image.shape[:2]
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}(to_float32={self.to_float32}, max_value={self.max_value})"


def loader_of(transforms: Any) -> LoadImageFromFile | None:
    """The transform of a pipeline that reads the image; None without one."""
    return next((t for t in every_transform(transforms) if isinstance(t, LoadImageFromFile)), None)


def refuse_other_loaders(transforms: Any) -> None:
    """Refuse mmcv's own loader, at any depth.

    Raises:
        ConfigError: mmcv's loader is in the pipeline.
    """
    if any(type(transform) is MmcvLoader for transform in every_transform(transforms)):
        raise ConfigError(
            "a pipeline reads images with mmcv's own LoadImageFromFile, which turns some of them "
            "as an EXIF tag says, but not their labels: write dict(type='LoadImageFromFile'), "
            "which is daseg's"
        )


def every_transform(transforms: Any) -> Iterator[Any]:
    """Transforms, and those inside them, such as those in RandomApply."""
    for transform in transforms if isinstance(transforms, (list, tuple)) else [transforms]:
        if isinstance(transform, (list, tuple)):
            yield from every_transform(transform)
        else:
            yield transform
            yield from every_transform(getattr(transform, "transforms", ()))
