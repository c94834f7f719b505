"""Pictures of what a pipeline gives the network."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from daseg.datasets import DomainPair, EndlessSampler, PairSampler
from daseg.ops.colours import Palette, overlay
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError
from daseg.visualization.figures import check_picture
from daseg.visualization.sheet import contact_sheet, save_sheet

WIDTH = 320  # of a picture, in pixels
STRIPE = 6  # of the hatching, in pixels along a row


def browse(dataset: Any, num: int = 16, seed: int = 0) -> np.ndarray:
    """Draw samples of a data set as its pipeline yields them, labels beside the images.

    Args:
        dataset: Gives samples as `PackSample` packs them; has ``metainfo``. Or a `DomainPair`: a
            row has a sample of the source and one of the target, without a label or with its
            pseudo-label.
        num: Number of samples, or of pairs, those that training with this seed would see first.
        seed: Seed of their order and augmentation.

    Returns:
        (H, W, 3) uint8, RGB: two samples a row, each with its name and size below, and at the
        bottom a legend of the classes. What `IgnoreMargins` has marked is hatched, and the sheet's
        title says so.
    """
    meta = dataset.metainfo
    drawn, title = [], ""
    for sample in _samples(dataset, num, seed):
        drawn.append(_shown(sample, meta["palette"]))
        if "trusted" in sample:
            title = "hatched: margins, where no teacher's label counts"
    pairs = [drawn[first : first + 2] for first in range(0, len(drawn), 2)]
    return contact_sheet(
        [[picture for pictures, _ in pair for picture in pictures] for pair in pairs],
        captions=[[text for _, texts in pair for text in texts] for pair in pairs],
        title=title,
        classes=meta["classes"],
        palette=meta["palette"],
        legend=range(len(meta["classes"])),
        width=WIDTH,
    )


def _samples(dataset: Any, num: int, seed: int) -> Iterator[dict[str, Any]]:
    if not isinstance(dataset, DomainPair):
        order = islice(EndlessSampler(dataset, seed=seed, rank=0, world_size=1), num)
        yield from (dataset[index] for index in order)
        return
    for pair in islice(PairSampler(dataset, seed=seed, rank=0, world_size=1), num):
        yield from dataset[pair].values()


def _shown(sample: dict[str, Any], palette: Palette) -> tuple[list[np.ndarray], list[str]]:
    """The image, and the label laid over it, with the texts below them."""
    image = sample["image"].numpy().transpose(1, 2, 0)
    size = (WIDTH, max(1, round(image.shape[0] * WIDTH / image.shape[1])))
    picture = np.asarray(Image.fromarray(image).resize(size))
    caption = f"{sample['meta']['name']}   {image.shape[1]}x{image.shape[0]}"
    if "trusted" in sample:
        margins = Image.fromarray(~sample["trusted"].numpy())
        picture = _hatched(picture, np.asarray(margins.resize(size, Image.Resampling.NEAREST)))
    key = next((key for key in ("label", "pseudo_label") if key in sample), None)
    if key is None:
        return [picture], [caption]
    label = sample[key].numpy()
    if label.shape != image.shape[:2]:  # in testing it may be larger
        caption += f", label {label.shape[1]}x{label.shape[0]}"
    small = Image.fromarray(label.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
    return [picture, overlay(picture, np.asarray(small), palette, alpha=0.7)], [caption, ""]


def _hatched(picture: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Lay half-transparent diagonal stripes, black and white, over these pixels (H, W)."""
    rows, columns = np.indices(where.shape)
    white = (rows + columns) // STRIPE % 2 == 0
    striped = picture // 2 + np.where(white, 128, 0).astype(np.uint8)[..., None]
    return np.where(where[..., None], striped, picture)


def browse_config(cfg: dict[str, Any], split: str, num: int, seed: int, out: str | Path) -> None:
    """Write the contact sheet of a config's dataloader as a picture.

    Raises:
        ConfigError: The config has no such dataloader, or ``num`` or ``out`` cannot be used.
    """
    loader = cfg.get(f"{split}_dataloader")
    if loader is None:
        raise ConfigError(f"the config has no {split}_dataloader")
    if num < 1:
        raise ConfigError(f"--num {num}: at least one sample is drawn")
    check_picture(out)
    save_sheet(browse(DATASETS.build(loader["dataset"]), num, seed), out)
