"""Two domains as one data set: a source with labels, a target without."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.model import BaseDataPreprocessor
from torch.utils.data import Dataset

from daseg.datasets.base import SampleIndex, SegDataset
from daseg.datasets.firewall import TargetSample, watch
from daseg.datasets.pseudo_labels import PseudoLabels, with_pseudo_labels
from daseg.datasets.target_labels import (
    join_labelled,
    label_files,
    label_files_of,
    leaves,
    refuse_as_images,
    without_labels,
)
from daseg.registry import DATASETS, TRANSLATORS
from daseg.utils.errors import ConfigError, LabelFirewallError
from daseg.utils.files import atomic_write_text
from daseg.utils.seed import derive_seed


class PairIndex(NamedTuple):
    """Which sample of each domain, each with its place in that domain's own stream."""

    source: SampleIndex | None  # None: there is no source
    target: SampleIndex


@DATASETS.register_module()
class DomainPair(Dataset[dict[str, Any]]):
    """A labelled source domain beside an unlabelled target domain, for unsupervised adaptation.

    `PairSampler` draws from each domain independently. The target is built with ``labels=False``:
    its label files are neither looked for nor opened, so that a bare folder of images will do.
    Each domain has its own pipeline, and so its own crop.

    With a translator, source images take on the look of the target images that they are drawn with,
    in the loader's workers, after the pipelines; `DomainAdapter` can do the same on the device.

    Args:
        source: Data set or its config; also a `MixedDataset`. None: there is no source, and the
            training, on the target alone, starts from the weights of ``load_from``.
        target: Data set or its config, without labels.
        seed: Seed of both domains' augmentation. None: the sampler's.
        translator: Translator or its config: source and target image (3,H,W), RGB 0..255, to the
            translated one. Its result is clipped to 0..255 and rounded. The target and all labels
            stay as they are.
        pseudo_labels: Folder of ``daseg pseudo-label`` with pseudo-labels of the target's
            images. Target samples then have ``pseudo_label`` (H,W), which all transforms move with
            the image; they still have no ``label``. The target is then a single data set.
        pseudo_labels_without_manifest: Also take a folder that nothing says the origin of, because
            you know that it holds no true labels.
        labelled_target: Data set of some images of the target with their labels, or its config,
            which are learnt from by choice: semi-supervised adaptation. They are drawn among the
            source's samples, so that every objective that looks at labelled images sees them. Its
            windows have the source's size. Report and protocol card state their number.
        labelled_share: Their share of the labelled samples, between 0 and 1.

    Raises:
        ConfigError: The classes differ, the target is to have labels, or a translator has no source
            to translate.
        DataError: The pseudo-labels do not fit, or nothing says what they are.

    Attributes:
        source: The built source, or None.
        target: The built target.
        labelled_target: The built data set of the target's labelled images, or None. ``source`` is
            then a `MixedDataset` that ends with it, or it itself.
        domains: Those of the two that there are.
        metainfo: Classes and palette, those of the first of them.
        pseudo_labels: The target's pseudo-labels, or None.
    """

    def __init__(
        self,
        source: Any,
        target: Any,
        *,
        seed: int | None = None,
        translator: Any = None,
        pseudo_labels: str | Path | None = None,
        pseudo_labels_without_manifest: bool = False,
        labelled_target: Any = None,
        labelled_share: float = 0.5,
    ) -> None:
        self.source = None if source is None else DATASETS.build(source)
        self.labelled_target: SegDataset | None = None
        if labelled_target is not None:
            self.labelled_target = DATASETS.build(labelled_target)
            self.source = join_labelled(self.source, self.labelled_target, labelled_share)
        self.target = DATASETS.build(without_labels(target))
        self.domains = [d for d in (self.source, self.target) if d is not None]
        if translator is not None and self.source is None:
            raise no_domain("DomainPair: its translator", "source")
        self.translator = None if translator is None else TRANSLATORS.build(translator).eval()
        self.metainfo: dict[str, Any] = getattr(self.domains[0], "metainfo", None) or {}
        self._check()
        self.pseudo_labels: PseudoLabels | None = None
        if pseudo_labels is not None:
            self.use_pseudo_labels(pseudo_labels, without_manifest=pseudo_labels_without_manifest)
        if seed is not None:
            self.inherit_seed(seed)
        # From here on any opening of these is counted, in this process and in a loader's workers.
        self._watched = label_files_of(self.target) - label_files_of(self.labelled_target)
        for domain in self.domains:
            refuse_as_images(self.target, label_files_of(domain))
        watch(self._watched)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Come to life in a worker that was started anew, and watch the same files there."""
        self.__dict__.update(state)
        watch(self._watched)

    def _check(self) -> None:
        both = [getattr(d, "metainfo", None) or {} for d in (self.source, self.target)]
        source, target = (tuple(known.get("classes") or ()) for known in both)
        if source and target and source != target:  # a data set of others may have no names
            raise ConfigError(
                f"DomainPair: the classes differ: source {self.source} has {source}, "
                f"target {self.target} has {target}"
            )

    def use_pseudo_labels(self, root: str | Path, *, without_manifest: bool = False) -> None:
        """Let target samples have the pseudo-labels of a folder, in the place of any before.

        Arguments and errors are those of the class. A loader's workers keep their old copy.
        """
        target = self.single_target()
        self.pseudo_labels = PseudoLabels(
            root,
            target,
            forbidden=label_files_of(self.target),
            without_manifest=without_manifest,
        )
        self.target = with_pseudo_labels(target, self.pseudo_labels)

    def single_target(self) -> SegDataset:
        """The target, which pseudo-labels can be of.

        Raises:
            ConfigError: It is made of several data sets, or is none of daseg's.
        """
        if not isinstance(self.target, SegDataset):
            raise ConfigError(
                f"DomainPair: pseudo_labels are those of one data set of daseg's, but the target "
                f"is {self.target}"
            )
        return self.target

    def __len__(self) -> int:
        return len(self.domains[0])

    def __repr__(self) -> str:
        return f"DomainPair({self.source}, {self.target})"

    @property
    def samples(self) -> list[Any]:
        """Files of all samples: the source's, then the target's."""
        return [sample for domain in self.domains for sample in domain.samples]

    @property
    def names(self) -> list[str]:
        """Names of all samples: the source's, then the target's."""
        return [name for domain in self.domains for name in domain.names]

    def __getitem__(self, index: int | PairIndex) -> dict[str, Any]:
        """One sample of each domain.

        Args:
            index: Which ones. A plain number is taken modulo the length of each domain.

        Returns:
            ``source``: a sample with ``label``, unless there is no source; ``target``: a
            `TargetSample`, without, but with ``pseudo_label`` where the pair has pseudo-labels.

        Raises:
            LabelFirewallError: The target data set gives a label.
            ConfigError: The index is of another sampler than `PairSampler`.
        """
        if isinstance(index, SampleIndex):
            raise ConfigError(
                "train_dataloader.sampler: a DomainPair is drawn from by dict(type='PairSampler')"
            )
        if isinstance(index, PairIndex):
            at = index
        else:
            places = [
                SampleIndex(index % len(domain), index % len(domain)) for domain in self.domains
            ]
            at = PairIndex(places[0] if len(places) > 1 else None, places[-1])
        target = self._target(at.target)
        if self.source is None:
            return dict(target=target)
        return dict(source=self._translated(self.source[at.source], target), target=target)

    def _target(self, index: SampleIndex) -> TargetSample:
        sample = self.target[index]
        if "label" in sample:
            name = sample.get("meta", {}).get("image_path", index.index)
            raise LabelFirewallError(
                f"the target {self.target} gives a label with its image {name}: adaptation is "
                "unsupervised; build the data set, and its pipeline, without labels"
            )
        return TargetSample(sample)

    def _translated(self, source: dict[str, Any], target: TargetSample) -> dict[str, Any]:
        if self.translator is None:
            return source
        with torch.no_grad():
            image = self.translator(source["image"], target["image"])
        return {**source, "image": image.clamp(0, 255).round().byte()}

    def inherit_seed(self, seed: int) -> None:
        """Give each domain that has no seed one of its own, derived from ``seed``."""
        for domain, own in zip((self.source, self.target), domain_seeds(seed), strict=True):
            if hasattr(domain, "inherit_seed"):
                domain.inherit_seed(own)

    def list_lines(self) -> list[str]:
        """A heading and the names for each domain."""
        return [line for domain in self.domains for line in domain.list_lines()]

    def write_list(self, path: str | Path) -> None:
        """Write the names of all samples, those of each domain under a heading of its own."""
        atomic_write_text(path, "\n".join(self.list_lines()) + "\n")

    def target_label_files(self) -> frozenset[str] | None:
        """Where the labels that training must not read would be, if there are any.

        Those of the target's images, but for ``labelled_target``. From the layout and the names
        alone: nothing is looked for. None where a part of the target is no data set of daseg's and
        does not say.
        """
        files = [label_files(leaf) for leaf in leaves(self.target)]
        return None if None in files else self._watched


class PairPreprocessor(BaseDataPreprocessor):
    """Moves a batch to the device as mmengine's does, and keeps a `TargetBatch` one.

    mmengine makes every mapping a plain dict, which the label's absence would get lost in.
    """

    def cast_data(self, data: Any) -> Any:
        """Move all tensors in nested containers to the device."""
        cast = super().cast_data(data)
        return type(data)(cast) if isinstance(data, TargetSample) else cast


def refuse_labels_as_images(train_loop: Any, dataset: Any) -> None:
    """Refuse to train on a target that has label files of a data set among its images.

    Args:
        train_loop: The loop of the training; None, or another one, where none was built.
        dataset: What it is validated on.

    Raises:
        LabelFirewallError: A label file is among the images of the target.
    """
    trained_on = getattr(getattr(train_loop, "dataloader", None), "dataset", None)
    if isinstance(trained_on, DomainPair):
        refuse_as_images(trained_on.target, label_files_of(dataset))


def no_domain(who: str, domain: str) -> ConfigError:
    """The error where ``who`` needs a domain that the training data does not have."""
    return ConfigError(
        f"{who} looks at the {domain} domain, but the training data has none: "
        "train_dataloader.dataset=dict(type='DomainPair', source=..., target=...) and "
        "sampler=dict(type='PairSampler')"
    )


def chosen_labels(dataset: Any) -> int:
    """How many images of the target a training has labels of, by choice."""
    labelled = getattr(dataset, "labelled_target", None)
    return 0 if labelled is None else len(labelled)


def domain_seeds(seed: int) -> tuple[int, int]:
    """The seeds of source and target: their draws at the same position differ."""
    return derive_seed(seed, 0), derive_seed(seed, 1)
