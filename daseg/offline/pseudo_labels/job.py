"""A making of pseudo-labels as ``daseg pseudo-label`` is told it: from a config and files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine import Config

from daseg.api import init_segmentor, test_steps
from daseg.config.load import load_config
from daseg.datasets import SegDataset
from daseg.datasets.domain_pair import without_labels
from daseg.engine.average import checkpoint_paths
from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.class_check import check_checkpoint
from daseg.offline.pseudo_labels.labelling import Labelling, Means
from daseg.offline.pseudo_labels.teacher import target_labels_seen
from daseg.offline.pseudo_labels.threshold import Threshold
from daseg.offline.translation.data import only_one, training_set
from daseg.segmentor import segmentor_config
from daseg.utils.errors import ConfigError
from daseg.weights.files import sha256_file


class Job(Labelling):
    """One making of pseudo-labels, from a config.

    Args: as of `pseudo_label`.

    Raises:
        ConfigError: The classes of a network and of the target are not the same.

    Attributes:
        target_labels_seen: How many labels of the target the networks were trained with; None: not
            known.
    """

    def __init__(
        self,
        config: str | Path,
        checkpoints: str | Path | Sequence[str | Path],
        out: Path,
        *,
        data: str | Path | None,
        threshold: Threshold,
        tta: bool,
        confidence_map: bool,
        limit: int | None,
        device: str,
        world: str | None,
        cfg_options: dict[str, Any],
    ) -> None:
        if limit is not None and limit < 1:
            raise ConfigError(f"limit is at least 1, not {limit}")
        self.cfg = load_config(config, cfg_options, world=world)
        self.paths = checkpoint_paths(checkpoints)
        segmentor = init_segmentor(
            config, self.paths, device, tta=tta, cfg_options=cfg_options, world=world
        )
        super().__init__(
            segmentor,
            [dict(name=path.name, sha256=sha256_file(path)) for path in self.paths],
            target_images(self.cfg, data),
            out,
            means=means_of(self.cfg, tta),
            threshold=threshold,
            confidence_map=confidence_map,
            limit=limit,
        )
        contents = [read_checkpoint(path) for path in self.paths]
        for path, checkpoint in zip(self.paths, contents, strict=True):
            self._check_classes(path, checkpoint)
        self.target_labels_seen = target_labels_seen(contents, self.target)

    def _check_classes(self, path: Path, checkpoint: dict[str, Any]) -> None:
        """Of as many classes under other names, or in another order, every label would be wrong."""
        meta = checkpoint.get("meta") or {}
        check_checkpoint(path, meta, self.classes, f"the target {self.target} has")


def means_of(cfg: Config, tta: bool) -> Means:
    """How a config's network is run in testing, with its test-time augmentation or without."""
    inference = dict(segmentor_config(cfg).get("inference") or {})
    return Means(test_steps(cfg), inference, dict(cfg.tta) if tta else None)


def target_images(cfg: Config, root: str | Path | None = None) -> SegDataset:
    """The training images of a config that get pseudo-labels, without labels.

    The target of a pair, or all that it trains on where it does not train on a pair.

    Raises:
        ConfigError: It trains on several data sets at once.
        DataError: The images are not there.
    """
    part = training_set(cfg)
    part = dict(part.get("target", part))
    if root is not None:
        part["root"] = str(root)
    # Of a supervised training the labels are not looked at either.
    return only_one(without_labels({**part, "labels": False}), "target", cfg)
