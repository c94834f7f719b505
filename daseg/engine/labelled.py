"""Whether there is anything in the labels of a data set, found out before it costs a training."""

from typing import Any

import numpy as np

from daseg.adaptation import DomainAdapter
from daseg.datasets import DomainPair, MixedDataset, SegDataset
from daseg.datasets.target_labels import leaves
from daseg.engine.class_check import check_training
from daseg.engine.provenance import described
from daseg.objectives import EntropyMinimization, InformationMaximization, MaxSquare
from daseg.objectives.base import check_domains
from daseg.ops.labels import IGNORE
from daseg.utils.errors import DataError

ENOUGH = 2  # classes


def labelled_classes(dataset: Any, enough: int = ENOUGH) -> set[int] | None:
    """The classes that have a pixel in the labels of a data set.

    Label files are read one after the other until enough classes are found: of ordinary data the
    first file shows it.

    Args:
        dataset: A data set, or one of several; of a `DomainPair` its source.
        enough: How many classes are looked for.

    Returns:
        Their train ids, at least ``enough`` or all that there are; None where the data set is not
        daseg's, or has no labels.

    Raises:
        DataError: A label file cannot be read.
    """
    parts = leaves(getattr(dataset, "source", dataset))
    if not parts or not all(isinstance(part, SegDataset) and part.labels for part in parts):
        return None
    found: set[int] = set()
    for leaf in parts:
        for sample in leaf.samples:
            if sample.label is not None:
                found |= set(np.unique(leaf.reader.read(sample.label)).tolist()) - {IGNORE}
            if len(found) >= enough:
                return found
    return found


def check_labelled(dataset: Any, place: str) -> str:
    """Refuse labels without a labelled pixel.

    Args:
        dataset: The data set.
        place: Whose it is: "val_dataloader".

    Returns:
        What is to be said where a single class has pixels; "" where several have.

    Raises:
        DataError: No pixel is labelled. It names the data set.
    """
    found = labelled_classes(dataset)
    if found is None or len(found) >= ENOUGH:
        return ""
    shown = getattr(dataset, "source", dataset)
    if not found:
        raise DataError(
            f"{place}: in all {len(shown)} label files of {shown} no pixel is labelled, all are of "
            "ignored ids (as in a test split whose labels are not published): nothing can be "
            "learnt or measured there. Take another split, or give the data set's id_map"
        )
    classes = list(shown.metainfo["classes"])
    name = classes[min(found)] if min(found) < len(classes) else min(found)
    return (
        f"{place}: all labelled pixels of {shown} are of one class, {name!r} of {len(classes)}; "
        "the others have none. Pixels of 255 are ignored: where a mask stores a class as 255, "
        "say so with id_map and ignored_ids, for example id_map={0: 0, 255: 1}, ignored_ids=[]"
    )


def check_data(runner: Any) -> None:
    """Find out before a training what in its data would make its numbers wrong.

    Training data of which one class alone is labelled are refused, since a network would always say
    it; validation data like that are warned of.

    Raises:
        ConfigError: Network and data sets are not of the same classes, or what they are called
            cannot be kept in a checkpoint; or an objective looks at a domain that is not there.
        DataError: There is no labelled pixel, or of one class alone.
    """
    dataset = runner.train_dataloader.dataset
    described(dataset)
    check_training(runner)
    if isinstance(runner.bare_model, DomainAdapter):
        if isinstance(dataset, DomainPair):
            present = {d for d in ("source", "target") if getattr(dataset, d) is not None}
            check_domains(runner.bare_model.objectives, present)
            if present == {"target"}:
                _warn_of_entropy(runner)
        elif isinstance(dataset, (SegDataset, MixedDataset)):
            check_domains(runner.bare_model.objectives, {"source"})
    if hasattr(runner.bare_model, "segmentor"):
        problem = check_labelled(dataset, "train_dataloader")
        if problem:
            raise DataError(problem)
    if runner.val_loop is not None:
        problem = check_labelled(runner.val_dataloader.dataset, "val_dataloader")
        if problem:
            runner.logger.warning(problem)


def _warn_of_entropy(runner: Any) -> None:
    """Say what happens to rare classes without a source, where only certainty is asked for."""
    objectives = list(runner.bare_model.objectives)
    certain = [
        type(o).__name__ for o in objectives if isinstance(o, (EntropyMinimization, MaxSquare))
    ]
    if certain and not any(isinstance(o, InformationMaximization) for o in objectives):
        runner.logger.warning(
            f"there is no source, and {', '.join(certain)} is least where all pixels are of one "
            "class: rare classes disappear in such a training, and the mIoU falls. Take "
            "InformationMaximization, and compare with the checkpoint that it starts from"
        )
