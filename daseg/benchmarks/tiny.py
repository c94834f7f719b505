"""A network, images and a config so small that what is beside them can be measured."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch import Tensor, nn

from daseg.config.names import config_folder

CLASSES = ["dark", "bright"]
IMAGES, SIZE = 16, (32, 32)


class TwoConvolutions(nn.Module):
    """The least that can be called a backbone: a map of 8 channels at half the size."""

    out_channels = (8,)
    strides = (2,)

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 1, 1), nn.ReLU()
        )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """An image (N,3,H,W) to a tuple of one map (N,8,H/2,W/2)."""
        return (self.layers(image),)


def write_images(root: Path) -> None:
    """Noise, dark or bright by column, with its labels."""
    rng = np.random.default_rng(0)
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    for index in range(IMAGES):
        label = np.broadcast_to(np.arange(SIZE[0]) >= SIZE[0] // 2, SIZE[::-1]).astype(np.uint8)
        image = 60 + 120 * label[..., None] + rng.integers(0, 60, (*label.shape, 3))
        cv2.imwrite(str(root / f"images/{index:02d}.png"), image.astype(np.uint8))
        cv2.imwrite(str(root / f"labels/{index:02d}.png"), label)


def write_config(root: Path, iterations: int) -> Path:
    """A config that trains on the images of ``root``, with all hooks of daseg's configs."""
    data: dict[str, Any] = dict(
        type="FolderDataset",
        root=str(root),
        image_dir="images",
        label_dir="labels",
        classes=CLASSES,
        pipeline=[dict(type=t) for t in ("LoadImageFromFile", "LoadLabel", "PackSample")],
    )
    model = dict(
        type="DomainAdapter",
        segmentor=dict(
            type="Segmentor",
            num_classes=len(CLASSES),
            backbone=dict(type=f"{__name__}.{TwoConvolutions.__name__}"),
            head=dict(type="DeepLabV2Head", dilations=(1, 2), branches=2),
        ),
        objectives=[dict(type="Supervised")],
    )
    loader = dict(
        batch_size=2, num_workers=0, sampler=dict(type="EndlessSampler"), dataset=data,
        collate_fn=dict(type="collate"),
    )  # fmt: skip
    settings = dict(
        model=model,
        train_dataloader=loader,
        train_cfg=dict(type="IterTrainLoop", max_iters=iterations),
        optim_wrapper=dict(
            constructor="OptimizersByNetwork",
            segmentor=dict(optimizer=dict(type="SGD", lr=0.01, momentum=0.9)),
        ),
    )
    path = root / "tiny.py"
    runtime = config_folder() / "_base_/runtime.py"
    lines = [f"_base_ = [{str(runtime)!r}]", *(f"{k} = {v!r}" for k, v in settings.items())]
    path.write_text("\n".join(lines) + "\n")
    return path
