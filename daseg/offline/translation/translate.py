"""Translate a whole data set into the target's look: what ``daseg translate`` does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from mmengine import Config
from PIL import Image
from torch import Tensor

from daseg.config.load import load_config
from daseg.datasets import SegDataset
from daseg.datasets.files.io import read_rgb
from daseg.offline.images import Item, SourceImages, resizing_steps, target_of, training_images
from daseg.offline.job import Job, data_set_facts
from daseg.offline.recorder import Made, going_on
from daseg.offline.translation.gate import Gate
from daseg.offline.translation.translators import LoadedTranslator, load_translator
from daseg.utils.errors import ConfigError, DataError
from daseg.utils.lock import locked
from daseg.utils.writable import check_folder

Size = Literal["file", "trained"]


@dataclass
class Translated:
    """What a translation left behind.

    Attributes:
        out: The translated data set.
        images: Number of images in it.
        made: How many of them were made now; the others were there already.
        labels: Number of labels.
        skipped: By source file, why it could not be translated.
    """

    out: Path
    images: int
    made: int
    labels: int
    skipped: dict[str, str] = field(default_factory=dict)


def translate(
    config: str | Path,
    checkpoint: str | Path | None = None,
    *,
    out: str | Path,
    source: str | Path | None = None,
    translator: list[str] | None = None,
    workers: int = 2,
    tile: int | None = None,
    device: str = "cpu",
    size: Size = "file",
    limit: int | None = None,
    world: str | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    segmentor: tuple[str | Path, str | Path] | None = None,
    segmentor_world: str | None = None,
    copy_labels: bool = False,
    on_error: Literal["error", "skip"] = "error",
    overwrite: bool = False,
    amp: bool = False,
) -> Translated:
    """Write a data set beside the source of a config, translated; go on where an earlier run ended.

    Args:
        config: A config whose training data is the source, or a pair with it.
        checkpoint: Weights of its model, a `CycleGAN`. None: a translator that needs no training.
        out: Root of the translated data set.
        source: Root of the source; None: the config's.
        translator: Name and arguments of a translator that needs no training; None: the config's.
        workers: Processes that read and threads that write; 0: none, and one.
        tile: Run the network in tiles of so many pixels.
        device: Where it runs.
        size: Of the images: "file", the source file's, or "trained", that of the training.
        limit: Only so many images, the first ones.
        world: Take the config as it is in a small world.
        cfg_options: Overrides by dotted key.
        segmentor: Config and checkpoint of a segmentor that judges the translation.
        segmentor_world: Take its config as it is in that small world.
        copy_labels: Copy the labels; else they are linked.
        on_error: What to do with an image that cannot be read: "error", or "skip" it.
        overwrite: Replace what was translated with other settings.
        amp: Run the network in mixed precision.

    Raises:
        ConfigError, CheckpointError, DataError: Before anything is written where it can be known;
            else what was written stays, whole, for the next run. Another process writes there.
    """
    check_folder(out, "--out")
    cfg = load_config(config, dict(cfg_options or {}), world=world)
    loaded = load_translator(cfg, checkpoint, words=translator, device=device, tile=tile, amp=amp)
    job = Translation(cfg, loaded, Path(out), source=source, size=size, limit=limit)
    job.config = str(config) if world is None else f"{config} --world {world}"
    job.copy_labels, job.skip = copy_labels, on_error == "skip"
    gate = None
    if segmentor is not None:
        gate = Gate(job.dataset, *segmentor, device=device, world=segmentor_world)
    with going_on(), locked(job.set.out):
        made = job.run(workers=workers, overwrite=overwrite)
        if gate is not None:
            gate.judge(job.set, job.here(), workers)
    return Translated(job.set.out, len(job.entries), made, job.labels, job.skipped)


class Translation(Job):
    """The translation of a config's source.

    Args:
        cfg: A whole config.
        translator: What translates.
        out: Root of the translated data set.
        source: Root of the source; None: the config's.
        size: Of the images: "file" or "trained".
        limit: Only so many images, the first ones.

    Attributes:
        config: The config's name, for the manifest.
        copy_labels: Copy the labels; else they are linked.
        labels: Number of labels.
    """

    kind, doing = "translation", "translating"
    hint = "; --on-error skip leaves such images out"
    copy_labels = False
    labels = 0

    def __init__(
        self,
        cfg: Config,
        translator: LoadedTranslator,
        out: Path,
        *,
        source: str | Path | None = None,
        size: Size = "file",
        limit: int | None = None,
    ) -> None:
        if size not in ("file", "trained"):
            raise ConfigError(f"size is 'file' or 'trained', not {size!r}")
        self.cfg, self.config, self.size, self.translator = cfg, str(cfg.filename), size, translator
        dataset = training_images(cfg, "source", source)
        self.target = self._target()
        read_only = [] if self.target is None else [self.target.root]
        super().__init__(dataset, out, read_only=read_only, limit=limit)
        self.seed = int((cfg.get("randomness") or {}).get("seed") or 0)
        data = cfg.train_dataloader.dataset
        self.steps, self.target_steps = (
            resizing_steps(data.get(role, data).get("pipeline") or [])
            for role in ("source", "target")
        )
        self.images([]).check()

    def _target(self) -> SegDataset | None:
        """The target; it may be missing if only the contact sheet needs it."""
        try:
            if "target" not in self.cfg.train_dataloader.dataset:
                raise ConfigError(
                    f"{self.cfg.filename} has no target images: train_dataloader.dataset is no "
                    "dict(type='DomainPair', source=..., target=...)"
                )
            return training_images(self.cfg, "target")
        except (ConfigError, DataError) as error:
            if self.translator.needs_target:
                raise
            print(f"the contact sheet shows no target: {error}")
            return None

    def settings(self) -> dict[str, Any]:
        """See `Job`."""
        settings = dict(self.translator.settings, size=self.size, resizing=self.steps)
        if self.translator.needs_target:
            settings |= dict(seed=self.seed, target_resizing=self.target_steps)
            settings["target_images"] = len(self.target or ())
        return settings

    def images(self, todo: Sequence[int]) -> SourceImages:
        """See `Job`."""
        return SourceImages(
            self.dataset,
            self.steps,
            todo,
            target=self.target if self.translator.needs_target else None,
            target_steps=self.target_steps,
            seed=self.seed,
        )

    def path(self, index: int) -> Path:
        """See `Job`."""
        return self.set.image_path(index)

    def prepare(self, todo: Sequence[int], workers: int) -> None:
        """Place the labels."""
        self.labels = self.set.place_labels(self.indices, copy=self.copy_labels)

    def compute(self, item: Item) -> tuple[np.ndarray]:
        """Translate an image: RGB (H,W,3) uint8, at its final size.

        Raises:
            DataError: The network gives no numbers.
        """
        assert item.image is not None
        result = to_bytes(self.translator(item.image, item.target))
        if result is None:
            raise DataError(
                f"the translation of {self.dataset.samples[item.index].image} is not finite: the "
                "weights are those of a training that has diverged"
            )
        return (result if self.size == "trained" else resized(result, item.size),)

    def write(self, item: Item, *results: np.ndarray) -> Made:
        """See `Job`."""
        (pixels,) = results
        facts = {} if item.target_name is None else dict(target=item.target_name)
        size = [pixels.shape[1], pixels.shape[0]]
        return self.stage(item, dict(file=(self.path(item.index), pixels)), size=size, **facts)

    def finish(self, here: Sequence[int]) -> None:
        """Write the lists of images."""
        self.set.write_lists(here)

    def about(self) -> dict[str, Any]:
        """See `Job`."""
        target = self.target
        return dict(
            config=self.config,
            **self.translator.origin,
            source=data_set_facts(self.dataset),
            target=None
            if target is None
            else dict(type=type(target).__name__, root=str(target.root)),
            device=str(self.translator.device),
            skipped=self.skipped,
        )

    def columns(self, chosen: Sequence[int]) -> dict[str, list[np.ndarray]]:
        """Source, translation, and the target image that belongs to it."""
        source, target = self.dataset, self.target
        columns = {
            "source": [read_rgb(source.samples[i].image, source.max_value) for i in chosen],
            "translated": [read_rgb(self.path(i)) for i in chosen],
        }
        if target is not None:
            looks = [target.samples[target_of(i, len(target), self.seed)].image for i in chosen]
            columns["a target image"] = [read_rgb(path, target.max_value) for path in looks]
        return columns


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
