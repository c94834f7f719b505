"""The labels of a target: where they would be, who may not read them, who reads some by choice."""

import os
from typing import Any

from daseg.datasets.base import SegDataset
from daseg.datasets.mixed import MixedDataset
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError, LabelFirewallError


def leaves(dataset: Any) -> list[Any]:
    """The data sets in a mixture; a data set that is not a mixture, alone."""
    parts = getattr(dataset, "datasets", None)
    return [dataset] if parts is None else [leaf for part in parts for leaf in leaves(part)]


def label_files(dataset: Any) -> set[str] | None:
    """Where the labels of a data set's images would be; None where it does not say."""
    if not isinstance(dataset, SegDataset):
        return None
    layout = dataset.layout
    folders = {root / layout.label_dir for root in (dataset.root, dataset.label_root)}
    names = map(layout.label_file, dataset.names)
    return {os.path.realpath(folder / name) for name in names for folder in folders}


def label_files_of(dataset: Any) -> frozenset[str]:
    """Where the labels of all parts of a data set would be, of those that say so."""
    return frozenset().union(*(label_files(leaf) or () for leaf in leaves(dataset)))


def join_labelled(source: Any, labelled: Any, share: float) -> Any:
    """The source, among whose samples are those of some labelled images of the target.

    Args:
        source: The built source; None: there is none, and the labelled images stand for it.
        labelled: The built data set of the target's labelled images.
        share: Their share of the samples.

    Raises:
        ConfigError: They have no labels, or the share is none.
    """
    if not all(isinstance(leaf, SegDataset) and leaf.labels for leaf in leaves(labelled)):
        raise ConfigError(
            f"DomainPair: labelled_target is {labelled}, which has no labels: leave labels=False "
            "out, and read them with LoadLabel in its pipeline"
        )
    if not 0 < share < 1:
        raise ConfigError(
            f"DomainPair: labelled_share is between 0 and 1, not {share}; it is the part of the "
            "labelled samples that come from labelled_target"
        )
    return labelled if source is None else MixedDataset([source, labelled], [1 - share, share])


def refuse_as_images(target: Any, labels: frozenset[str]) -> None:
    """Refuse a target whose images are label files.

    Args:
        target: The target.
        labels: Label files, as `os.path.realpath` gives them.

    Raises:
        LabelFirewallError: An image is among them.
    """
    for leaf in leaves(target) if labels else ():
        for sample in getattr(leaf, "samples", ()):
            image = getattr(sample, "image", None)
            if image is not None and os.path.realpath(image) in labels:
                raise LabelFirewallError(
                    f"the target {leaf} has the label file {image} among its images: training "
                    "would see labels of the target; name the folder of its images (image_dir)"
                )


def without_labels(target: Any) -> Any:
    """The target's config with ``labels=False``, where it does not say so itself.

    Raises:
        ConfigError: It says, or the built data set has, ``labels=True``.
    """
    parts = target.get("datasets") if isinstance(target, dict) else getattr(target, "datasets", ())
    parts = [without_labels(part) for part in parts or ()]
    if not isinstance(target, dict):
        return _refuse_labels(getattr(target, "labels", False), target)
    _refuse_labels(target.get("labels", False), target.get("type"))
    if parts:
        return {**target, "datasets": parts}
    kind = target.get("type")
    kind = DATASETS.get(kind) if isinstance(kind, str) else kind
    takes_labels = isinstance(kind, type) and issubclass(kind, SegDataset)
    return {**target, "labels": False} if takes_labels else target


def _refuse_labels(labels: Any, target: Any) -> Any:
    if labels:
        raise ConfigError(
            f"DomainPair: its target {target} has labels=True, but adaptation is unsupervised: its "
            "number would not be true if training could see the target's labels. Leave labels out; "
            "or train supervised on this data set alone, without a DomainPair"
        )
    return target
