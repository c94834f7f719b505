"""Score finished checkpoints without labels, and say which each score would choose."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine import Config
from prettytable import PrettyTable
from torch import Tensor

from daseg.api import init_segmentor
from daseg.config.load import load_config
from daseg.datasets import collate
from daseg.datasets.pipeline import require_whole
from daseg.datasets.probe.preview import check_whole
from daseg.engine.adabn import adapt_to_images, spread_batches, target_images
from daseg.engine.average import Checkpoints, checkpoint_paths
from daseg.evaluation.label_free import LabelFreeScores
from daseg.hooks.watch import GONE
from daseg.registry import DATASETS
from daseg.segmentor import Segmentor
from daseg.utils.errors import ConfigError
from daseg.utils.progress import track

# Whether the largest value of a score is chosen, or the smallest.
LARGEST = dict(entropy=False, information=True, flip_agreement=True)


@dataclass(frozen=True)
class Scored:
    """A network and its scores.

    Attributes:
        name: The checkpoint's path, and what was done to batch norm.
        scores: Each 0..1, by name; see `LabelFreeScores.result`.
        shares: The share of the pixels that are predicted as each class, 0..1.
    """

    name: str
    scores: dict[str, float]
    shares: dict[str, float]

    @property
    def missing(self) -> list[str]:
        """The classes that less than 0.001 % of the pixels are predicted as."""
        return [name for name, share in self.shares.items() if share < GONE]


def score(
    config: str | Path,
    checkpoints: Checkpoints,
    *,
    data: str | Path | None = None,
    images: int = 64,
    adabn: bool = False,
    device: str = "cpu",
    world: str | None = None,
    cfg_options: dict[str, Any] | None = None,
) -> list[Scored]:
    """Score networks on images of the target; no label is read.

    Args:
        config: The config of the networks.
        checkpoints: One or several.
        data: A folder of images; None: those of the target of the `DomainPair` that the config
            trains on. They go through the test's pipeline.
        images: Take only so many, spread evenly.
        adabn: Score each network a second time with the batch norm statistics of the target.
        device: Where the networks run.
        world: Take the config as it is in a small world.
        cfg_options: Overrides by dotted key.

    Raises:
        ConfigError: The config does not say which images, or has no pipeline for them.
        CheckpointError: A checkpoint cannot be read or does not fit.
    """
    if images < 1:
        raise ConfigError(f"--images is at least 1, not {images}")
    cfg, paths = load_config(config, cfg_options, world=world), checkpoint_paths(checkpoints)
    place = target_images(cfg, data)
    dataset = DATASETS.build(place)
    check_whole(dataset, "daseg score")
    found = []
    for path in paths:
        network = init_segmentor(config, path, device, cfg_options=cfg_options, world=world)
        found.append(Scored(str(path), *_scores(network, dataset, cfg, images, path.name)))
        if adabn:
            adapt_to_images(network, place, cfg.test_dataloader)
            name = f"{path.name} with AdaBN"
            found.append(Scored(f"{path} --adabn", *_scores(network, dataset, cfg, images, name)))
    return found


@torch.no_grad()
def _scores(
    network: Segmentor, dataset: Any, cfg: Config, images: int, name: str
) -> tuple[dict[str, float], dict[str, float]]:
    scores = LabelFreeScores(network.num_classes)
    batches = spread_batches(len(dataset), cfg.test_dataloader.get("batch_size", 1), images)
    for image in track(_batches(dataset, batches), len(batches), f"scoring {name}"):
        image = image.to(network.device)
        scores.add(network.predict(image), network.predict(image.flip(3)).flip(3))
    return scores.result(), dict(zip(network.classes, scores.shares(), strict=True))


def _batches(dataset: Any, batches: Sequence[Sequence[int]]) -> Iterator[Tensor]:
    for batch in batches:
        data = collate([dataset[index] for index in batch])
        require_whole(data["meta"])
        yield data["image"]


def choices(scored: Sequence[Scored]) -> dict[str, str]:
    """The name of the network that each score would choose; of equal ones the first."""
    chosen = {}
    for key, largest in LARGEST.items():
        values = [each.scores[key] for each in scored]
        chosen[key] = scored[values.index(max(values) if largest else min(values))].name
    return chosen


def table(scored: Sequence[Scored]) -> str:
    """A row for each network, a star at what each score would choose; classes never predicted."""
    chosen = choices(scored)
    shown = PrettyTable(["network", *LARGEST, "classes"], align="r")
    shown.align["network"] = "l"
    for each in scored:
        stars = {key: " *" if chosen[key] == each.name else "  " for key in LARGEST}
        scores = [f"{each.scores[key]:.4f}{stars[key]}" for key in LARGEST]
        count = len(each.shares)
        shown.add_row([each.name, *scores, f"{count - len(each.missing)} of {count}"])
    missing = [
        f"never predicted by {each.name}: {', '.join(each.missing)}"
        for each in scored
        if each.missing
    ]
    return "\n".join([shown.get_string(), *missing])
