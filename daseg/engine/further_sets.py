"""Further sets of images that a validation or a test measures beside its own."""

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner
from mmengine.runner.amp import autocast
from torch.utils.data import DataLoader

from daseg.datasets.domain_pair import refuse_labels_as_images
from daseg.datasets.firewall import OPENED, note_reported
from daseg.datasets.probe.preview import check_whole
from daseg.engine.average import stated_inference, training_of
from daseg.engine.provenance import checkpoint_meta
from daseg.engine.stopping import all_or_none
from daseg.evaluation import IoUMetric
from daseg.evaluation.protocol import write_card
from daseg.utils import signals
from daseg.utils.errors import ConfigError
from daseg.utils.progress import track
from daseg.utils.pseudo_labels import CHOSEN
from daseg.weights.files import weights_digest

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
        if split == "val" and metric["type"] == "IoUMetric":
            metric.setdefault("out_dir", str(Path(runner.work_dir) / "validation"))
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


def write_cards(runner: Any, sets: Iterable[FurtherSet]) -> None:
    """Write the card of the network in training beside the tables of further sets.

    The first process does; the others have no result. The hash is that of the network's weights,
    which are in no file yet.

    Args:
        runner: The runner of a training.
        sets: Measured before.
    """
    metrics = [metric for one in sets for metric in one.evaluator.metrics]
    metrics = [m for m in metrics if isinstance(m, IoUMetric) and m.out_dir and m.last_result]
    if not metrics or not is_main_process():
        return
    model, meta, world = runner.bare_model, checkpoint_meta(runner), runner.cfg.get("world")
    network = model.evaluated_network
    taught = getattr(model, "teacher", None) is not None
    digest = weights_digest(network)
    for metric in metrics:
        write_card(
            metric.out_dir,
            config=runner.cfg.filename + (f" --world {world}" if world else ""),
            config_text=meta["cfg"],
            weights=f"{runner.work_dir}, in memory",
            weights_sha256=digest,
            result=metric.last_result,
            **training_of([meta]),
            network=meta.get("evaluated", "teacher") if taught else None,
            pseudo_labels=[meta["pseudo_labels"]] if meta["pseudo_labels"] else [],
            target_labels=meta.get(CHOSEN, 0),
            inference=stated_inference(runner.cfg, "val_cfg"),
            device=network.device,
        )
