"""Pseudo-labels of a target domain, kept apart from its true labels."""

import copy
import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform, LoadImageFromFile

from daseg.datasets.base import SegDataset
from daseg.datasets.files.scan import ScanError, find_files
from daseg.datasets.label_reader import LabelReader
from daseg.datasets.margins import IgnoreMargins
from daseg.datasets.pipeline import Pipeline
from daseg.ops.labels import IGNORE
from daseg.utils.errors import ConfigError, DataError, LabelFirewallError
from daseg.utils.hints import hint
from daseg.utils.manifest import FINAL, Entry
from daseg.utils.pseudo_labels import Facts, read_facts

OPTION = "pseudo_labels_without_manifest=True"


class PseudoLabels:
    """The pseudo-labels of a data set's images, one file each, of train ids 0..K-1 and 255.

    Args:
        root: Folder that ``daseg pseudo-label`` has written.
        target: The data set.
        forbidden: Files of true labels, as `os.path.realpath` gives them.
        without_manifest: Also take a folder that nothing says the origin of; its files lie where
            the data set's labels would lie below it.

    Raises:
        DataError: The folder is not there, says nothing of its origin, is of other classes, or
            lacks images of the data set.
        LabelFirewallError: One of its files is a true label.

    Attributes:
        facts: See `daseg.utils.pseudo_labels.read_facts`; without manifest the root alone.
        paths: The file of each image, by the image's name.
    """

    def __init__(
        self,
        root: str | Path,
        target: SegDataset,
        *,
        forbidden: frozenset[str] = frozenset(),
        without_manifest: bool = False,
    ) -> None:
        self.root = Path(root).expanduser()
        if not self.root.is_dir():
            advice = hint(self.root) or "; make them with daseg pseudo-label"
            raise DataError(f"there are no pseudo-labels at {self.root}{advice}")
        self.facts, self._entries = self._read(without_manifest)
        classes = target.metainfo["classes"]
        if self._entries and tuple(self.facts["classes"]) != tuple(classes):
            raise DataError(
                f"the pseudo-labels at {self.root} are of the classes {self.facts['classes']}, "
                f"the target {target} has {list(classes)}"
            )
        self.paths = self._find(target)
        self.reader = LabelReader({k: k for k in range(len(classes))}, (IGNORE,))
        self._check_files(forbidden)

    def _read(self, without_manifest: bool) -> tuple[Facts, dict[str, Entry]]:
        found = read_facts(self.root)
        if found is not None:
            return found
        if not without_manifest:
            raise DataError(
                f"{self.root} has no {FINAL} of daseg pseudo-label, so that nothing says "
                "whether its files are pseudo-labels or true labels. Adaptation would no longer be "
                "unsupervised with the latter; if you know that they are none, say "
                f"train_dataloader.dataset.{OPTION}"
            )
        return dict(root=str(self.root)), {}

    def _find(self, target: SegDataset) -> dict[str, Path]:
        if self._entries:
            found = {name: self.root / entry["file"] for name, entry in self._entries.items()}
        else:
            layout = target.layout
            folder = self.root / layout.label_dir
            labels = find_files(folder, [layout.label_suffix], "pseudo-labels").paths
            found = {layout.image_name(name): path for name, path in labels.items()}
        missing = [name for name in target.names if name not in found or not found[name].is_file()]
        if missing:
            raise ScanError(
                f"{self.root} lacks the pseudo-labels of {len(missing)} of {len(target)} target "
                "images; make them with daseg pseudo-label (the same command as before, without "
                "--limit):",
                missing,
            )
        return {name: found[name] for name in target.names}

    def _check_files(self, forbidden: frozenset[str]) -> None:
        """Refuse true labels, and links out of the folder, which the manifest does not describe."""
        root = os.path.join(os.path.realpath(self.root), "")
        for path in self.paths.values():
            real = os.path.realpath(path)
            if real in forbidden:
                raise LabelFirewallError(
                    f"{path} is given as a pseudo-label, but it is a label of the target itself: "
                    "adaptation is unsupervised, and its number would not be true"
                )
            if self._entries and not real.startswith(root):
                raise DataError(
                    f"the pseudo-label {path} is a link that leads out of {self.root}, so that the "
                    "manifest there does not say what it is: put the file itself there"
                )

    def files(self) -> frozenset[str]:
        """All files, as `os.path.realpath` gives them."""
        return frozenset(os.path.realpath(path) for path in self.paths.values())

    def read(self, name: str) -> np.ndarray:
        """The pseudo-label (H,W) uint8 of an image.

        Raises:
            DataError: It cannot be read, or is no longer the file that was made.
        """
        path = self.paths[name]
        label = self.reader.read(path)
        entry = self._entries.get(name)
        if entry and hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
            raise DataError(
                f"the pseudo-label {path} is not the one that {self.root / FINAL} names: it was "
                "changed afterwards. Make it again: daseg pseudo-label replaces what is changed"
            )
        return label


class LoadPseudoLabel(BaseTransform):
    """Read the pseudo-label into ``gt_seg_map``, so that what follows moves it with the image.

    `DomainPair` puts it behind `LoadImageFromFile`; `PackSample` packs it as ``pseudo_label``.
    """

    def __init__(self, labels: PseudoLabels) -> None:
        self.labels = labels

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``gt_seg_map`` and ``pseudo_label_path``.

        Raises:
            DataError: The file cannot be read, or is not of the image's size.
        """
        path = self.labels.paths[results["name"]]
        label = self.labels.read(results["name"])
        size = tuple(results["ori_shape"])
        if label.shape != size:
            raise DataError(
                f"image {results['img_path']} is {size[1]}x{size[0]} (width x height), but its "
                f"pseudo-label {path} is {label.shape[1]}x{label.shape[0]}: it was made of another "
                "image"
            )
        results["gt_seg_map"] = label
        results["pseudo_label_path"] = str(path)
        return results


def check_pipeline(target: SegDataset) -> None:
    """Check that the samples of a data set can have pseudo-labels.

    Raises:
        ConfigError: Its images are prepared, or its pipeline does not load them, or has margins.
    """
    if target.prepared is not None:
        raise ConfigError(
            "DomainPair: the target's images are read as they were prepared, resized, and "
            "pseudo-labels belong to whole images: leave out prepared of the target"
        )
    transforms = target.pipeline.transforms
    if not any(isinstance(t, LoadImageFromFile) for t in transforms):
        raise ConfigError(
            "DomainPair: pseudo-labels are loaded behind LoadImageFromFile, which the target's "
            "pipeline lacks"
        )
    if any(isinstance(t, IgnoreMargins) for t in transforms):
        raise ConfigError(
            "DomainPair: the target has pseudo-labels, from files or of a PseudoLabelHook, and "
            "IgnoreMargins in its pipeline, which marks margins in the place of a label: leave one "
            "of them out. ClassMix and MaskedConsistency have margins of the crop (ignore_top and "
            "so on), which go together with pseudo-labels"
        )


def with_pseudo_labels(target: SegDataset, labels: PseudoLabels) -> SegDataset:
    """The data set with these pseudo-labels in its samples; the one given stays as it is.

    Raises: as `check_pipeline`.
    """
    check_pipeline(target)
    transforms = [t for t in target.pipeline.transforms if not isinstance(t, LoadPseudoLabel)]
    places = [i for i, t in enumerate(transforms) if isinstance(t, LoadImageFromFile)]
    transforms.insert(places[0] + 1, LoadPseudoLabel(labels))
    changed = copy.copy(target)
    changed.pipeline = Pipeline(transforms)
    return changed
