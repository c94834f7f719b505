"""Several checkpoints of one config, evaluated as one: the mean of their probabilities."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine import Config

from daseg.engine.checkpoint import load_segmentor
from daseg.engine.class_check import check_checkpoint, names_in
from daseg.inference import NetworkMean
from daseg.segmentor import Segmentor, segmentor_config
from daseg.utils.errors import ConfigError
from daseg.weights.strict import Network

Checkpoints = str | Path | Sequence[str | Path]


def checkpoint_paths(checkpoints: Checkpoints) -> list[Path]:
    """The paths of one checkpoint or of several.

    Raises:
        ConfigError: There is none, or one of them twice.
    """
    many = [checkpoints] if isinstance(checkpoints, (str, Path)) else checkpoints
    paths = [Path(path) for path in many]
    twice = sorted({str(path) for path in paths if paths.count(path) > 1})
    if twice or not paths:
        raise ConfigError(f"a mean of checkpoints needs each of them once, got {twice or 'none'}")
    return paths


def load_networks(
    segmentor: Segmentor, paths: Sequence[Path], which: Network | None = None
) -> tuple[list[Segmentor], list[dict[str, Any]]]:
    """Load a checkpoint; of several, let the segmentor predict the mean of their networks.

    Args:
        segmentor: What is loaded.
        paths: The checkpoints.
        which: The "teacher" or the "student" of each; default the one that was validated.

    Returns:
        The network of each checkpoint, the first of which is ``segmentor``, and its ``meta``.

    Raises:
        CheckpointError: A file cannot be read or does not fit.
        ConfigError: They were trained on other classes, or on these in another order.
    """
    networks = [segmentor, *(copy.deepcopy(segmentor).eval() for _ in paths[1:])]
    metas = [load_segmentor(*pair, which) for pair in zip(networks, paths, strict=True)]
    for path, meta in zip(paths[1:], metas[1:], strict=True):
        check_checkpoint(path, meta, names_in(metas[0]), f"{paths[0]} on")
    if len(networks) > 1:
        segmentor.inference = NetworkMean(networks[1:], segmentor.inference)
    return networks, metas


def training_of(metas: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the trainings of checkpoints have in common, for the card; None where they differ."""
    keys = dict(iteration="iter", max_iters="max_iters", initial_weights="initial_weights")
    keys |= dict(seed="seed", shuffle_window="shuffle_window")
    values = {name: [meta.get(key) for meta in metas] for name, key in keys.items()}
    return {name: v[0] if v.count(v[0]) == len(v) else None for name, v in values.items()}


def stated_inference(cfg: Config, loop: str) -> dict[str, Any]:
    """Settings of inference for the card: the segmentor's, and whether a loop has 16 bits.

    Args:
        cfg: The config.
        loop: Its key of the loop: "test_cfg" or "val_cfg".
    """
    given = dict(segmentor_config(cfg).get("inference") or dict(type="WholeInference"))
    return given | (dict(mixed_precision=True) if (cfg.get(loop) or {}).get("fp16") else {})
