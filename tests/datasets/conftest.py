"""Tiny data sets on disk."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

Maker = Callable[..., Path]


def write_pair(image: Path, label: Path, index: int, size: tuple[int, int] = (8, 12)) -> None:
    """An image and a label of (height, width); both depend on ``index`` and on the pixel."""
    for path in (image, label):
        path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.RandomState(index)
    cv2.imwrite(str(image), rng.randint(0, 256, (*size, 3), np.uint8))
    Image.fromarray(rng.randint(0, 11, size, np.uint8)).save(label)


@pytest.fixture
def make_camvid(tmp_path: Path) -> Maker:
    """Write a CamVid of ``num`` samples, two sequences; return its root."""

    def make(
        num: int = 6, size: tuple[int, int] = (8, 12), name: str = "camvid", first: int = 0
    ) -> Path:
        root = tmp_path / name
        for i in range(num):
            sample = f"seq{i % 2}/frame_{i:03d}"
            image, label = root / f"images/{sample}.jpg", root / f"labels/{sample}.png"
            write_pair(image, label, first + i, size)
        return root

    return make
