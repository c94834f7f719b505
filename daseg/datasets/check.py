"""Read every file of the data sets of a config, once, before a training stumbles over one."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from prettytable import PrettyTable

from daseg.datasets.base import SegDataset
from daseg.datasets.domain_pair import DomainPair, without_labels
from daseg.datasets.io import read_image
from daseg.datasets.loading import LoadLabel, size_mismatch
from daseg.datasets.scan import Sample, ScanError
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError, DataError
from daseg.utils.labels import IGNORE
from daseg.utils.progress import track

SPLITS = ("train", "val", "test")


class _Found(NamedTuple):
    """What one sample turned out to be."""

    size: tuple[int, int] | None = None  # width, height of the image
    counts: np.ndarray | None = None  # pixels of each train id, (256,)
    problem: str | None = None
    resized: bool = False


@dataclass
class Report:
    """What was found in one data set.

    Attributes:
        title: Which data set.
        classes: Name of each train id.
        count: Number of samples that were read.
        sizes: How many images have which (width, height).
        pixels: Number of labelled pixels of each train id, (256,); 255 = ignore.
        problems: A line for each file that cannot be used.
        resized: Labels of another size than their image, which the pipeline resizes.
    """

    title: str
    classes: Sequence[str] = ()
    count: int = 0
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    pixels: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    problems: list[str] = field(default_factory=list)
    resized: int = 0

    def __str__(self) -> str:
        lines = [f"{self.title}: {self.count} samples, {len(self.problems)} problems"]
        sizes = [f"{w}x{h} ({n})" for (w, h), n in self.sizes.most_common(5)]
        more = f" and {len(self.sizes) - 5} more" if len(self.sizes) > 5 else ""
        lines.append(f"  image sizes (width x height): {', '.join(sizes) or 'none'}{more}")
        if self.resized:
            lines.append(f"  labels resized to their image: {self.resized}")
        lines.append(self._histogram())
        return "\n".join([*lines, *(f"  PROBLEM {line}" for line in self.problems)])

    def _histogram(self) -> str:
        total = self.pixels.sum()
        if not total:
            return "  no labels were read"
        table = PrettyTable(["class", "share of pixels (%)"], align="r")
        table.align["class"] = "l"
        for name, count in zip(self.classes, self.pixels, strict=False):
            table.add_row([name, f"{100 * count / total:.3f}" if count else "-"])
        table.add_row(["(ignored)", f"{100 * self.pixels[IGNORE] / total:.3f}"])
        return table.get_string()


def check_dataset(dataset: SegDataset, workers: int = 4, title: str | None = None) -> Report:
    """Decode every image and label of a data set, without its augmentation.

    Args:
        dataset: The data set.
        workers: Number of threads.
        title: Name in the report.
    """
    report = Report(title or repr(dataset), dataset.metainfo["classes"])
    loaders = [t for t in dataset.pipeline.transforms if isinstance(t, LoadLabel)]
    resize = any(loader.on_size_mismatch == "resize" for loader in loaders)
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        found = pool.map(lambda sample: _look_at(sample, dataset, resize), dataset.samples)
        for one in track(found, len(dataset), f"reading {report.title}"):
            _add(report, one)
    return report


def _add(report: Report, found: _Found) -> None:
    report.count += 1
    if found.size is not None:
        report.sizes[found.size] += 1
    if found.counts is not None:
        report.pixels += found.counts
    if found.problem is not None:
        report.problems.append(found.problem)
    report.resized += found.resized


def _look_at(sample: Sample, dataset: SegDataset, resize: bool) -> _Found:
    problems, size, counts, resized = [], None, None, False
    try:
        image = read_image(sample.image)
        size = (image.shape[1], image.shape[0])
    except DataError as error:
        problems.append(str(error))
    try:
        label = None if sample.label is None else dataset.reader.read(sample.label)
    except DataError as error:
        label = None
        problems.append(str(error))
    if label is not None:
        counts = np.bincount(label.ravel(), minlength=256)
        if size is not None and label.shape != size[::-1]:
            resized = resize
            text = size_mismatch(str(sample.image), size[::-1], str(sample.label), label)
            problems += [] if resize else [text]
    return _Found(size, counts, "; ".join(problems) or None, resized)


def check_config(cfg: dict[str, Any], split: str = "all", workers: int = 4) -> list[Report]:
    """Check every data set that the dataloaders of a config read; each but once.

    Args:
        cfg: A whole config.
        split: "train", "val", "test" or "all".
        workers: Number of threads.

    Raises:
        ConfigError: The config has no dataloader of that split.
    """
    reports, seen = [], []
    for name in SPLITS if split == "all" else (split,):
        loader = cfg.get(f"{name}_dataloader")
        if loader is None and split != "all":
            raise ConfigError(f"the config has no {name}_dataloader")
        for leaf in dataset_configs((loader or {}).get("dataset")):
            if leaf not in seen:
                seen.append(leaf)
                reports.append(_check_leaf(leaf, name, workers))
    if not reports:
        raise ConfigError("no dataloader of the config reads a data set of files")
    return reports


def dataset_configs(node: Any) -> Iterator[dict[str, Any]]:
    """The configs of data sets of files in a tree that may mix or pair them.

    The target of a pair comes without labels, as training builds it: they are not looked at here
    either, and need not be there. Its pseudo-labels, where it has some, are.
    """
    if isinstance(node, dict):
        kind = DATASETS.get(node["type"]) if "type" in node else None
        if isinstance(kind, type) and issubclass(kind, SegDataset):
            yield node
        elif isinstance(kind, type) and issubclass(kind, DomainPair):
            yield from dataset_configs(node.get("source"))
            target = without_labels(node.get("target"))
            if node.get("pseudo_labels"):  # of train ids; its labels are not looked at
                own = dict(label_root=node["pseudo_labels"], label_encoding="train_ids")
                target = {**target, **own, "labels": True}
            yield from dataset_configs(target)
        else:
            for child in node.values():
                yield from dataset_configs(child)
    elif isinstance(node, (list, tuple)):
        for child in node:
            yield from dataset_configs(child)


def _check_leaf(cfg: dict[str, Any], split: str, workers: int) -> Report:
    shown = ("split", "list_file", "num_samples", "label_root")
    which = [f"{key}={cfg[key]}" for key in shown if cfg.get(key)]
    which += ["without labels"] if cfg.get("labels") is False else []
    title = f"{split}: {cfg['type']} at {' '.join([str(cfg.get('root')), *which])}"
    try:
        return check_dataset(DATASETS.build(cfg), workers, title)
    except ScanError as error:
        missing = error.problems
    except DataError as error:
        return Report(title, problems=[str(error)])
    # Some files are missing: look at those that are there.
    try:
        report = check_dataset(DATASETS.build({**cfg, "on_missing": "skip"}), workers, title)
    except (DataError, ConfigError):  # nothing is left, or less than num_samples
        report = Report(title)
    report.problems = [*missing, *report.problems]
    return report
