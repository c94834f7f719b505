"""A contact sheet: what a pipeline gives the network, to be looked at."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from daseg.datasets.domain_pair import DomainPair
from daseg.datasets.samplers import EndlessSampler, PairSampler
from daseg.ops.colours import overlay
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError
from daseg.utils.files import atomic_write
from daseg.utils.writable import check_file

TEXT = 18  # height of a line of text, in pixels
GAP = 6
LEGEND_CELL = 150


def contact_sheet(dataset: Any, num: int = 16, seed: int = 0, tile_width: int = 320) -> np.ndarray:
    """Draw samples of a data set as its pipeline yields them, labels beside the images.

    Args:
        dataset: Gives samples as `PackSample` packs them; has ``metainfo``. Or a `DomainPair`: a
            row has a sample of the source and one of the target, without a label or with its
            pseudo-label.
        num: Number of samples, or of pairs, those that training with this seed would see first.
        seed: Seed of their order and augmentation.
        tile_width: Width of one picture; a sample takes two beside each other.

    Returns:
        (H, W, 3) uint8, RGB: two samples a row, each with its name and size below, and at the
        bottom a legend of the classes.
    """
    meta = dataset.metainfo
    tiles = [_tile(sample, meta["palette"], tile_width) for sample in _draw(dataset, num, seed)]
    per_row = min(2, len(tiles))
    rows = [_row(tiles[i : i + per_row], per_row) for i in range(0, len(tiles), per_row)]
    width = rows[0].shape[1]
    return np.concatenate([*rows, _legend(meta["classes"], meta["palette"], width)])


def _draw(dataset: Any, num: int, seed: int) -> Iterator[dict[str, Any]]:
    if not isinstance(dataset, DomainPair):
        order = islice(EndlessSampler(dataset, seed=seed, rank=0, world_size=1), num)
        yield from (dataset[index] for index in order)
        return
    for pair in islice(PairSampler(dataset, seed=seed, rank=0, world_size=1), num):
        yield from dataset[pair].values()


def _tile(sample: dict[str, Any], palette: Sequence[Sequence[int]], width: int) -> np.ndarray:
    image = sample["image"].numpy().transpose(1, 2, 0)
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    picture = np.asarray(Image.fromarray(image).resize((width, height)))
    panels = [picture]
    caption = f"{sample['meta']['name']}   {image.shape[1]}x{image.shape[0]}"
    key = next((key for key in ("label", "pseudo_label") if key in sample), None)
    if key is not None:
        label = sample[key].numpy()
        # The label may be larger than the image (testing) and is never smoothed.
        small = Image.fromarray(label.astype(np.uint8)).resize(
            (width, height), Image.Resampling.NEAREST
        )
        panels.append(overlay(picture, np.asarray(small), palette, alpha=0.7))
        if label.shape != image.shape[:2]:
            caption += f", label {label.shape[1]}x{label.shape[0]}"
    return np.concatenate([np.concatenate(panels, axis=1), _caption(caption, len(panels) * width)])


def _caption(text: str, width: int) -> np.ndarray:
    strip = Image.new("RGB", (width, TEXT), "white")
    ImageDraw.Draw(strip).text((3, 2), text, fill="black", font=_font())
    return np.asarray(strip)


def _row(tiles: Sequence[np.ndarray], count: int) -> np.ndarray:
    height, width = max(t.shape[0] for t in tiles), max(t.shape[1] for t in tiles)
    row = np.full((height + GAP, count * (width + GAP) - GAP, 3), 255, np.uint8)
    for place, tile in enumerate(tiles):
        x = place * (width + GAP)
        row[: tile.shape[0], x : x + tile.shape[1]] = tile
    return row


def _legend(classes: Sequence[str], palette: Sequence[Sequence[int]], width: int) -> np.ndarray:
    per_row = max(1, width // LEGEND_CELL)
    height = -(-len(classes) // per_row) * (TEXT + 2)
    legend = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(legend)
    for place, (name, colour) in enumerate(zip(classes, palette, strict=True)):
        x, y = place % per_row * LEGEND_CELL, place // per_row * (TEXT + 2)
        draw.rectangle((x + 3, y + 2, x + 23, y + TEXT - 2), fill=tuple(colour), outline="black")
        draw.text((x + 28, y + 2), name, fill="black", font=_font())
    return np.asarray(legend)


def _font() -> Any:
    return ImageFont.load_default(size=12)


def browse_config(cfg: dict[str, Any], split: str, num: int, seed: int, out: str | Path) -> None:
    """Write the contact sheet of a config's dataloader as a picture.

    Raises:
        ConfigError: The config has no such dataloader, or ``num`` or ``out`` cannot be used.
    """
    loader = cfg.get(f"{split}_dataloader")
    if loader is None:
        raise ConfigError(f"the config has no {split}_dataloader")
    if num < 1 or Path(out).suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise ConfigError(f"needs num >= 1 and a picture to write (.png, .jpg): {num}, {out}")
    check_file(out, "--out")
    sheet = contact_sheet(DATASETS.build(loader["dataset"]), num, seed)
    with atomic_write(out) as temporary:
        Image.fromarray(sheet).save(temporary)
