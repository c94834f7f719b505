"""Where the labels of a target's images would be, and images that are no images but labels."""

import os
from typing import Any

from daseg.datasets.base import SegDataset
from daseg.utils.errors import LabelFirewallError


def leaves(dataset: Any) -> list[Any]:
    """The data sets in a mixture; a data set that is no mixture, alone."""
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
