"""Which labels of a target a network has seen: each training records it in its checkpoints."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from daseg.datasets import FolderDataset, SegDataset

Record = list[dict[str, str]]


def record_of(dataset: Any, pseudo_labels: str | None = None) -> Record | None:
    """The images that a training may read labels of, for its checkpoint.

    Args:
        dataset: What is trained on. The target of a pair has no labels.
        pseudo_labels: Folder whose files are no true labels.

    Returns:
        For each data set its ``type``, ``root``, and ``images`` (paths below the root, one a line);
        None where a data set of another kind does not say.
    """
    parts = list(_parts(dataset))
    if not all(isinstance(part, SegDataset) for part in parts):
        return None
    return [
        dict(
            type=type(part).__name__,
            root=os.path.abspath(part.root),
            images="\n".join(_below(part)),
        )
        for part in parts
        if part.labels and str(part.label_root) != pseudo_labels
    ]


def _parts(dataset: Any) -> Iterator[Any]:
    if hasattr(dataset, "target"):
        yield from _parts(dataset.source)
    elif hasattr(dataset, "datasets"):
        for part in dataset.datasets:
            yield from _parts(part)
    elif dataset is not None:  # a pair may have no source
        yield dataset


def _below(dataset: SegDataset) -> list[str]:
    return [sample.image.relative_to(dataset.root).as_posix() for sample in dataset.samples]


def lineage(checkpoint: dict[str, Any]) -> list[dict[str, Any]]:
    """What a checkpoint says of its training, and of those that it started from, latest first."""
    meta = checkpoint.get("meta") or {}
    info = (checkpoint.get("message_hub") or {}).get("runtime_info") or {}
    training = dict(
        labelled=meta.get("labelled"),
        pseudo_labels=meta.get("pseudo_labels"),
        opened=int(info.get("report_labels_opened") or 0),  # of the target's label files
    )
    return [training, *meta.get("started_from", [])]


def target_labels_seen(checkpoints: Sequence[dict[str, Any]], target: SegDataset) -> int | None:
    """How many images of the target these networks were trained on with their labels.

    Counted are images of the target among those that a training had with labels (`record_of`); what
    the teacher's own pseudo-labels were made with; and labels that were opened all the same
    (`ReportHook`). The trainings that it started from count, too.

    Args:
        checkpoints: As `read_checkpoint` gives them.
        target: The data set that gets pseudo-labels.

    Returns:
        The number, of several networks that of all together; None where one does not say.
    """
    seen: set[str] = set()
    at_least = [0]
    for training in (each for checkpoint in checkpoints for each in lineage(checkpoint)):
        own, facts = _seen(training.get("labelled"), target), training["pseudo_labels"]
        inherited = 0 if facts is None else facts.get("teacher_saw_target_labels")
        if own is None or inherited is None:
            return None
        seen |= own
        at_least += [inherited, min(training["opened"], len(target))]
    return max(len(seen), *at_least)


def _seen(record: Record | None, target: SegDataset) -> set[str] | None:
    """Names of the target's images in a record; None where one cannot say."""
    if record is None:
        print(
            "note: a checkpoint has no record of the images whose labels its training saw (it was "
            "converted, or an older version of daseg wrote it): how many of the target's labels it "
            "saw is not known",
            file=sys.stderr,
        )
        return None
    found = [_shared(part, target) for part in record]
    return None if None in found else set().union(*filter(None, found))


def _shared(part: dict[str, str], target: SegDataset) -> set[str] | None:
    images = part["images"].split("\n")
    alike = part["type"] == type(target).__name__
    if alike and not isinstance(target, FolderDataset):
        # The same data set by its files' names, which may lie elsewhere on another machine.
        known = set(images)
        pairs = zip(target.names, _below(target), strict=True)
        return {name for name, image in pairs if image in known}
    root = Path(part["root"])
    if not root.is_dir():
        return None if alike else set()
    known = {os.path.realpath(root / image) for image in images}
    return {s.name for s in target.samples if os.path.realpath(s.image) in known}
