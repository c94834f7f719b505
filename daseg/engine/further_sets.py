"""Further sets of images that a validation or a test measures beside its own."""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner
from mmengine.runner.amp import autocast
from torch.utils.data import DataLoader

from daseg.datasets.domain_pair import refuse_labels_as_images
from daseg.datasets.firewall import OPENED, note_reported
from daseg.datasets.probe.preview import check_whole
from daseg.engine.stopping import all_or_none
from daseg.utils import signals
from daseg.utils.errors import ConfigError
from daseg.utils.progress import track

Sets = Mapping[str, Mapping[str, Any]]
NAME = re.compile(r"[A-Za-z][\w-]*")


@dataclass(frozen=True)
class FurtherSet:
    """A set of images with its own metrics.

    Attributes:
        name: In front of its metrics: ``rain_mIoU``; also its folder of results.
        dataloader: Reads it.
        evaluator: Measures on it.
    """

    name: str
    dataloader: DataLoader[Any]
    evaluator: Evaluator


def build_sets(runner: Runner, split: str, sets: Sets) -> list[FurtherSet]:
    """Build further sets of a runner.

    Args:
        runner: The runner, whose config has the loader and the metrics of the split.
        split: "val" or "test".
        sets: By name, what differs from the data set of the split's loader; or, with a ``type``,
            another data set, with the same pipeline unless it has its own.

    Raises:
        ConfigError: A name or a set is none, or its pipeline does more than stretch images.
        DataError: Its files are not there.
    """
    return [_build(runner, split, name, changes) for name, changes in sets.items()]


def _build(runner: Runner, split: str, name: str, changes: Mapping[str, Any]) -> FurtherSet:
    place = f"{split}_cfg.sets.{name}"
    if not NAME.fullmatch(name):
        raise ConfigError(f"{place}: a set's name is of letters, digits, - and _, not {name!r}")
    loader = copy.deepcopy(runner.cfg[f"{split}_dataloader"])
    own = loader["dataset"]
    kept = {k: own[k] for k in ("pipeline",) if k in own} if "type" in changes else own
    loader["dataset"] = {**kept, **changes}
    dataloader = runner.build_dataloader(loader, seed=runner.seed)
    check_whole(dataloader.dataset, f"{place}.pipeline")
    refuse_labels_as_images(runner._train_loop, dataloader.dataset)
    metrics = copy.deepcopy(runner.cfg[f"{split}_evaluator"])
    for metric in metrics if isinstance(metrics, list) else [metrics]:
        if metric.get("out_dir"):
            metric["out_dir"] = str(Path(metric["out_dir"]) / name)
        if "seed_log" in metric:
            metric["seed_log"] = None  # a file of one table
    evaluator = runner.build_evaluator(metrics)
    evaluator.dataset_meta = getattr(dataloader.dataset, "metainfo", None)
    return FurtherSet(name, dataloader, evaluator)


@torch.no_grad()
def measure(one: FurtherSet, step: Any, *, fp16: bool = False) -> dict[str, float]:
    """Measure a model on a further set.

    Args:
        one: The set.
        step: The model's ``val_step`` or ``test_step``.
        fp16: Whether the networks run in mixed precision.

    Returns:
        The metrics, each with the set's name in front.

    Raises:
        Stopped: A signal has ended it; in all processes.
    """
    with all_or_none():
        for batch in track(one.dataloader, len(one.dataloader), f"measuring {one.name}"):
            with autocast(enabled=fp16):
                samples = step(batch)
            note_reported(batch.get(OPENED, {}))
            one.evaluator.process(data_samples=samples, data_batch=batch)
            signals.check()
    dataset: Any = one.dataloader.dataset
    found = one.evaluator.evaluate(len(dataset))
    return {f"{one.name}_{key}": value for key, value in found.items()}
