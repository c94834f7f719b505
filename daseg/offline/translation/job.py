"""One translation of a data set: what is translated, by what, and the writing of the images."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from mmengine import Config
from PIL import Image
from torch import Tensor

from daseg.datasets import SegDataset
from daseg.offline.parallel_set import ParallelSet
from daseg.offline.recorder import Made, Recorder
from daseg.offline.translation.data import (
    Item,
    TranslationImages,
    resizing_steps,
    source_dataset,
    target_dataset,
)
from daseg.offline.translation.translators import LoadedTranslator, load_translator
from daseg.utils.errors import ConfigError, DataError
from daseg.utils.manifest import Entry, Manifest

Size = Literal["file", "trained"]


class Job:
    """One translation of a data set, from its config.

    Args: as of `translate`.
    """

    def __init__(
        self,
        cfg: Config,
        checkpoint: str | Path | None,
        out: Path,
        *,
        source: str | Path | None,
        translator: list[str] | None,
        device: str,
        tile: int | None,
        size: Size,
        limit: int | None,
    ) -> None:
        if size not in ("file", "trained") or (limit is not None and limit < 1):
            raise ConfigError(f"size is 'file' or 'trained', limit at least 1: {size!r}, {limit}")
        self.cfg, self.size = cfg, size
        self.translator: LoadedTranslator = load_translator(
            cfg, checkpoint, words=translator, device=device, tile=tile
        )
        self.source = source_dataset(cfg, source)
        self.target = self._target()
        others = [] if self.target is None else [self.target.root]
        self.set = ParallelSet(self.source, out, others)
        self.seed = int((cfg.get("randomness") or {}).get("seed") or 0)
        count = len(self.source)
        self.indices = range(min(count, limit or count))
        self.steps, self.target_steps = (self._steps(role) for role in ("source", "target"))
        self.images([]).check()

    def _target(self) -> SegDataset | None:
        """The target; where only the contact sheet would show it, it need not be there."""
        try:
            return target_dataset(self.cfg)
        except (ConfigError, DataError) as error:
            if self.translator.needs_target:
                raise
            print(f"the contact sheet shows no target: {error}")
            return None

    def _steps(self, role: str) -> list[dict[str, Any]]:
        dataset = self.cfg.train_dataloader.dataset
        return resizing_steps(dataset.get(role, dataset).get("pipeline") or [])

    def settings(self) -> dict[str, Any]:
        """What makes an image what it is, beside its source and the place of the data."""
        settings = dict(self.translator.settings, size=self.size, resizing=self.steps)
        if self.translator.needs_target:
            settings |= dict(seed=self.seed, target_resizing=self.target_steps)
            settings["target_images"] = len(self.target or ())
        return settings

    def images(self, todo: list[int]) -> TranslationImages:
        """The source images as the translator takes them."""
        return TranslationImages(
            self.source,
            self.steps,
            todo=todo,
            target=self.target if self.translator.needs_target else None,
            target_steps=self.target_steps,
            seed=self.seed,
        )

    def pixels(self, item: Item) -> np.ndarray:
        """Translate an image: RGB (H,W,3) uint8, at its final size.

        Raises:
            DataError: The network gives no numbers.
        """
        assert item.image is not None
        result = to_bytes(self.translator(item.image, item.target))
        if result is None:
            path = self.source.samples[item.index].image
            raise DataError(
                f"the translation of {path} is not finite: the weights are those of a training "
                "that has diverged"
            )
        return result if self.size == "trained" else resized(result, item.size)


def to_bytes(image: Tensor) -> np.ndarray | None:
    """A float image (3,H,W), 0..255, as (H,W,3) uint8; None where a value is not finite."""
    if not torch.isfinite(image).all():
        return None
    return image.clamp(0, 255).round().byte().permute(1, 2, 0).contiguous().numpy()


def resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize (h,w,3) uint8 to (H,W,3) with PIL's bicubic filter; the same where nothing changes."""
    if pixels.shape[:2] == size:
        return pixels
    picture = Image.fromarray(pixels).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    return np.asarray(picture)


class Writer(Recorder):
    """Encodes and writes images in threads; records each one that is on the disk."""

    def __init__(self, job: Job, manifest: Manifest, workers: int) -> None:
        super().__init__(manifest, workers)
        self.job = job

    def put(self, item: Item, pixels: np.ndarray) -> None:
        """Write an image soon."""
        self.submit(self._write, item, pixels)

    def _write(self, item: Item, pixels: np.ndarray) -> Made:
        job, sample = self.job, self.job.source.samples[item.index]
        staged, sha256 = job.set.stage_image(item.index, pixels)
        entry: Entry = dict(
            source=str(sample.image.relative_to(job.source.root)),
            source_sha256=item.sha256,
            file=str(job.set.image_path(item.index).relative_to(job.set.out)),
            sha256=sha256,
            size=[pixels.shape[1], pixels.shape[0]],
        )
        if item.target_name is not None:
            entry["target"] = item.target_name
        return Made(sample.name, entry, [staged])
