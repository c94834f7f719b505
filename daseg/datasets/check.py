"""Read every file of the data sets of a config, once, before a training stumbles over one."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from daseg.datasets.base import SampleIndex, SegDataset
from daseg.datasets.check_report import Report
from daseg.datasets.class_statistics import keep_counts
from daseg.datasets.domain_pair import DomainPair, without_labels
from daseg.datasets.files.io import read_image
from daseg.datasets.files.picture import TURNED, UPRIGHT, orientation
from daseg.datasets.files.scan import Sample, ScanError
from daseg.datasets.loading import LoadLabel, size_mismatch
from daseg.datasets.pipeline import require_whole
from daseg.datasets.prepared.use import without_prepared
from daseg.ops.labels import IGNORE
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError, UserError
from daseg.utils.progress import track

SPLITS = ("train", "val", "test")


class _Found(NamedTuple):
    """What one sample turned out to be."""

    size: tuple[int, int] | None = None  # width, height of the image
    counts: np.ndarray | None = None  # pixels of each train id, (256,)
    problems: Sequence[str] = ()
    resized: bool = False


def check_dataset(
    dataset: SegDataset, workers: int = 4, title: str | None = None, *, split: str = "train"
) -> Report:
    """Decode every image and label of a data set, and run its pipeline on one sample.

    Args:
        dataset: The data set.
        workers: Number of threads.
        title: Name in the report.
        split: What it is used for: "train", or "val" or "test", whose pipelines must keep the
            whole image.
    """
    classes, published = dataset.metainfo["classes"], bool(dataset.CLASSES)
    report = Report(title or repr(dataset), classes, published=published)
    loaders = [t for t in dataset.pipeline.transforms if isinstance(t, LoadLabel)]
    resize = any(loader.on_size_mismatch == "resize" for loader in loaders)
    counts = dict[int, np.ndarray]()
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        found = pool.map(lambda sample: _look_at(sample, dataset, resize), dataset.samples)
        for number, one in enumerate(track(found, len(dataset), f"reading {report.title}")):
            _add(report, one)
            counts |= {} if one.counts is None else {number: one.counts}
            if not report.sound and not one.problems:
                report.sound = dataset.samples[number].name
    keep_counts(dataset, counts)
    _look_at_all(report, dataset)
    report.problems += _run_pipeline(dataset, report.sound, split)
    return report


def _add(report: Report, found: _Found) -> None:
    report.count += 1
    if found.size is not None:
        report.sizes[found.size] += 1
    if found.counts is not None:
        report.pixels += found.counts
        report.images += found.counts > 0
    if found.problems:
        report.problems.append("; ".join(found.problems))
    report.resized += found.resized


def _look_at(sample: Sample, dataset: SegDataset, resize: bool) -> _Found:
    problems, size, counts, resized = list[str](), None, None, False
    image = _try(problems, f"image {sample.image}", read_image, sample.image, dataset.max_value)
    if image is not None:
        size = (image.shape[1], image.shape[0])
    label = None
    if sample.label is not None:
        label = _try(problems, f"label {sample.label}", dataset.reader.read, sample.label)
    turn = orientation(sample.image)
    if label is not None:
        counts = np.bincount(label.ravel(), minlength=256)
        if size is not None and label.shape != size[::-1]:
            resized = resize and not (turn > 4 and label.shape == size)
            text = size_mismatch(str(sample.image), size[::-1], str(sample.label), label)
            problems += [] if resized else [text]
    if turn in TURNED and not any("EXIF" in text for text in problems):
        problems.append(
            f"image {sample.image} has an EXIF tag (orientation {turn}), by which viewers show it "
            f"{TURNED[turn]}; daseg does not turn it: {UPRIGHT}"
        )
    return _Found(size, counts, problems, resized)


def _try(problems: list[str], what: str, read: Any, *args: Any) -> Any:
    """What ``read`` gives; None where it fails, with the reason added to the problems."""
    try:
        return read(*args)
    except UserError as error:
        problems.append(str(error))
    except Exception as error:  # one bad file must not hide the others
        problems.append(f"{what} cannot be read: {type(error).__name__}: {error}")
    return None


def _look_at_all(report: Report, dataset: SegDataset) -> None:
    """What no single sample shows."""
    report.problems += [
        f"label without image: {path}: copy the image again, or take the label away"
        for path in dataset.without_image
    ]
    report.problems += [f"{note}; take the link away" for note in dataset.notes]
    if dataset.hidden:
        report.notes.append(
            f"{len(dataset.hidden)} hidden files or folders are passed over (their names begin "
            f"with a dot): {dataset.hidden[0]}"
        )
    report.notes += _same_files(dataset.samples)
    if report.pixels[IGNORE] and not report.pixels[:IGNORE].any():
        report.problems.append(
            "no pixel of its labels has a class: nothing can be learnt from it or measured on it. "
            "Are these the labels, and are their ids those of id_map and ignored_ids?"
        )


def _same_files(samples: Sequence[Sample]) -> list[str]:
    first: dict[tuple[int, int], Sample] = {}
    notes = []
    for sample in samples:
        try:
            known = os.stat(sample.image)
        except OSError:  # it has gone meanwhile: reading it has said so
            continue
        other = first.setdefault((known.st_dev, known.st_ino), sample)
        if other is not sample and known.st_ino:
            notes.append(
                f"{sample.image} and {other.image} are one file (hard links): it counts twice"
            )
    return notes


def _run_pipeline(dataset: SegDataset, name: str, split: str) -> list[str]:
    """What the pipeline says of the sample of this name, if there is one."""
    problems: list[str] = []
    if name not in dataset.names:
        return problems
    index = dataset.names.index(name)
    what = f"the pipeline, on {dataset.samples[index].image}"
    at = SampleIndex(index, index) if split == "train" else index
    sample = _try(problems, what, dataset.__getitem__, at)
    if split != "train" and isinstance(sample, dict) and "meta" in sample:
        _try(problems, what, require_whole, [sample["meta"]])
    return problems


def check_config(
    cfg: dict[str, Any], split: str = "all", workers: int = 4, may_lack: Sequence[str] = ()
) -> list[Report]:
    """Check every data set that the dataloaders of a config read; each but once.

    Args:
        cfg: A whole config.
        split: "train", "val", "test" or "all".
        workers: Number of threads.
        may_lack: Classes that need no pixel in the labels that are trained on.

    Raises:
        ConfigError: The config has no dataloader of that split.
    """
    reports, trained_on, seen = list[Report](), list[Report](), list[dict[str, Any]]()
    for name in SPLITS if split == "all" else (split,):
        loader = cfg.get(f"{name}_dataloader")
        if loader is None and split != "all":
            raise ConfigError(f"the config has no {name}_dataloader")
        for leaf in dataset_configs((loader or {}).get("dataset")):
            if leaf in seen:
                report = reports[seen.index(leaf)]
                if name != "train" and report.title.startswith("train:") and report.sound:
                    report.problems += _run_pipeline(_lenient(leaf), report.sound, name)
            else:
                seen.append(leaf)
                reports.append(_check_leaf(leaf, name, workers))
                if name == "train" and reports[-1].pixels[:IGNORE].any():
                    trained_on.append(reports[-1])
    if not reports:
        raise ConfigError("no dataloader of the config reads a data set of files")
    _compare_classes(reports)
    _compare_outputs(cfg, reports)
    _find_absent(trained_on, may_lack)
    for report in reports:
        if report not in trained_on and report.pixels[:IGNORE].any() and report.absent:
            report.notes.append(f"no pixel of {', '.join(report.absent)}")
    return reports


def _compare_classes(reports: Sequence[Report]) -> None:
    """Add a problem to each report whose classes are not those of the first."""
    first = next((report for report in reports if report.classes), None)
    if first is None:
        return
    for report in reports:
        if report.classes and tuple(report.classes) != tuple(first.classes):
            one = sorted({*report.classes} ^ {*first.classes})
            how = f"only one has {', '.join(one)}" if one else "the same, in another order"
            report.problems.append(
                f"its classes are {', '.join(report.classes)}; those of {first.title} are "
                f"{', '.join(first.classes)} ({how}): a network knows one list, in one order"
            )


def _compare_outputs(cfg: dict[str, Any], reports: Sequence[Report]) -> None:
    """Add a problem where data have not the classes that the network has outputs, two at least."""
    model = cfg.get("model") or {}
    outputs = (model.get("segmentor") or model).get("num_classes")
    for report in reports:
        count = len(report.classes)
        if outputs is not None and count and (count != outputs or count == 1):
            report.problems.append(
                f"it has {count} classes, the network has num_classes={outputs}: the two have to "
                "be the same, and 2 at least"
            )


def _find_absent(reports: Sequence[Report], may_lack: Sequence[str]) -> None:
    """Add a problem where no label that is trained on has a pixel of a class."""
    if not reports:
        return
    absent = [c for c in reports[0].absent if all(c in report.absent for report in reports)]
    for name in absent:
        text = f"no pixel of the class {name!r} in the labels that are trained on: "
        if name in may_lack:
            reports[0].notes.append(f"{text}as --may-lack allows")
        elif all(report.published for report in reports):  # so it is the domain, or the subset
            reports[0].notes.append(f"{text}the network learns never to predict it")
        else:
            reports[0].problems.append(
                f"{text}the network learns never to predict it. Is its id in id_map, and is it not "
                "among ignored_ids? If the domain has none of it, say --may-lack"
            )
    for report in reports:
        some = [name for name in report.absent if name not in absent]
        if some:
            report.notes.append(f"no pixel of {', '.join(some)}, which other data sets have")


def dataset_configs(node: Any) -> Iterator[dict[str, Any]]:
    """The configs of data sets of files in a tree that may mix or pair them.

    The target of a pair comes without labels, as training builds it: they are not looked at here
    either, and need not be there. Its pseudo-labels, where it has some, are.
    """
    if isinstance(node, dict):
        kind = DATASETS.get(node["type"]) if "type" in node else None
        if isinstance(kind, type) and issubclass(kind, SegDataset):
            yield without_prepared(node)  # the files themselves are looked at
        elif isinstance(kind, type) and issubclass(kind, DomainPair):
            yield from dataset_configs([node.get("source"), node.get("labelled_target")])
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
        return check_dataset(DATASETS.build(cfg), workers, title, split=split)
    except ScanError as error:
        missing = error.problems
    except UserError as error:
        return Report(title, problems=[str(error)])
    # Some files are missing: look at those that are there.
    try:
        report = check_dataset(_lenient(cfg), workers, title, split=split)
    except UserError:  # nothing is left, or less than num_samples
        report = Report(title)
    report.problems = [*missing, *report.problems]
    return report


def _lenient(cfg: dict[str, Any]) -> SegDataset:
    """The data set without what lacks a file."""
    dataset: SegDataset = DATASETS.build({**cfg, "on_missing": "skip"})
    return dataset
