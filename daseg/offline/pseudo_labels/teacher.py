"""Whether a network was trained with labels of the target, by what its checkpoint says."""

import ast
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from daseg.datasets import FolderDataset, SegDataset
from daseg.registry import DATASETS
from daseg.utils.errors import UserError


def target_labels_seen(checkpoints: Sequence[dict[str, Any]], target: SegDataset) -> int | None:
    """How many images of the target these networks were trained on with their labels.

    Counted are images of the target among those that a training had with labels, as its data set's
    config in the checkpoint says; what the teacher's own pseudo-labels were made with; and labels
    that were opened all the same (`ReportHook`). The trainings that it started from count, too.

    Args:
        checkpoints: As `read_checkpoint` gives them.
        target: The data set that gets pseudo-labels.

    Returns:
        The number, of several networks that of all together; None where one does not say.
    """
    seen: set[str] = set()
    at_least = [0]
    for training in (each for checkpoint in checkpoints for each in lineage(checkpoint)):
        own, inherited = _images_with_labels(training, target), _inherited(training)
        if own is None or inherited is None:
            return None
        seen |= own
        at_least += [inherited, min(training["opened"], len(target))]
    return max(len(seen), *at_least)


def lineage(checkpoint: dict[str, Any]) -> list[dict[str, Any]]:
    """What a checkpoint says of its training, and of those that it started from, latest first."""
    meta = checkpoint.get("meta") or {}
    training = dict(
        dataset=(meta.get("settings") or {}).get("dataset"),
        pseudo_labels=meta.get("pseudo_labels"),
        opened=_opened(checkpoint),
    )
    return [training, *meta.get("started_from", [])]


def _images_with_labels(training: dict[str, Any], target: SegDataset) -> set[str] | None:
    try:
        config = ast.literal_eval(training["dataset"])
        labelled = [leaf for leaf in _labelled(config) if not _has_pseudo_labels(leaf, training)]
        found = [_names(leaf, target) for leaf in labelled]
    except (KeyError, TypeError, ValueError, SyntaxError, UserError):
        return None  # converted from elsewhere, or of data that are not here
    return None if None in found else set().union(*filter(None, found))


def _labelled(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The data sets of a training whose labels it may read."""
    if "target" in config:  # whose labels are behind the firewall
        yield from _labelled(config["source"])
    elif "datasets" in config:
        for part in config["datasets"]:
            yield from _labelled(part)
    elif config.get("labels") is not False:
        yield config


def _has_pseudo_labels(config: dict[str, Any], training: dict[str, Any]) -> bool:
    """Whether the labels of a data set are pseudo-labels, which `_inherited` is about."""
    facts, root = training["pseudo_labels"], config.get("label_root")
    return bool(facts and root and Path(root).expanduser() == Path(facts["root"]))


def _names(config: dict[str, Any], target: SegDataset) -> set[str] | None:
    """Names of the target's images in a data set; None where one cannot say."""
    kind = DATASETS.get(config["type"])
    if not isinstance(kind, type) or not issubclass(kind, SegDataset):
        return None
    own = {k: v for k, v in config.items() if k not in ("type", "pipeline", "label_root")}
    own |= dict(labels=False)
    if kind is type(target) and kind is not FolderDataset:
        # The same data set by its names, which may lie elsewhere on another machine.
        return set(kind(**(own | dict(root=target.root))).names) & set(target.names)
    if not Path(config["root"]).expanduser().is_dir():
        return None if kind is type(target) else set()
    images = {os.path.realpath(sample.image) for sample in kind(**own).samples}
    return {s.name for s in target.samples if os.path.realpath(s.image) in images}


def _inherited(training: dict[str, Any]) -> int | None:
    facts = training["pseudo_labels"]
    return 0 if facts is None else facts.get("teacher_saw_target_labels")


def _opened(checkpoint: dict[str, Any]) -> int:
    """How many openings of its target's label files a training has counted."""
    info = (checkpoint.get("message_hub") or {}).get("runtime_info") or {}
    return int(info.get("report_labels_opened") or 0)
