"""What the networks of a training are made of, for its checkpoints and its report."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from daseg.config.text import config_text
from daseg.datasets import SegDataset
from daseg.datasets.domain_pair import chosen_labels
from daseg.datasets.target_labels import leaves
from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.class_check import check_same, names_of
from daseg.engine.lineage import lineage, record_of, target_labels_seen
from daseg.engine.same_run import identity, settings_of
from daseg.utils.errors import ConfigError
from daseg.utils.pseudo_labels import CHOSEN, START_SAW, Facts, read_facts, saw
from daseg.utils.versions import versions
from daseg.weights.files import sha256_file
from daseg.weights.form import wrong_checkpoint


class Provenance:
    """Where the weights of a training come from, and what it and those before it have seen.

    Args:
        dataset: What is trained on.

    Attributes:
        initial_weights: The checkpoint that it started from: its name and hash, and what it has
            seen of the target's labels, if any; None without one.
        started_from: The trainings that this one started from; see `lineage`.
        start_saw: How many labels of the target's training images those have seen, by the key
            ``start_saw_target_labels``, None where that is not known; nothing where there is no
            target, or no training before this one.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.initial_weights: str | None = None
        self.started_from: list[dict[str, Any]] = []
        self.start_saw: dict[str, int | None] = {}
        self._on_disk = _facts_of_labels(dataset)
        self._described = described(dataset)
        own = None if self._on_disk is None else self._on_disk["root"]
        self._labelled = record_of(dataset, own)

    def start_from(self, path: str | Path) -> None:
        """Take over what a checkpoint says that the training starts from."""
        checkpoint = read_checkpoint(path)
        self.started_from = lineage(checkpoint)
        if hasattr(self.dataset, "target"):
            targets = _of_daseg(self.dataset.target)
        else:
            parts = _of_daseg(self.dataset)
            targets = [part for part in parts if self._on_disk and _has_own_labels(part)]
        found = [target_labels_seen([checkpoint], each) for each in targets]
        if found:
            known = [number for number in found if number is not None]
            self.start_saw = {START_SAW: sum(known) if len(known) == len(found) else None}
        # A file without its folder: the same weights are the same on every machine.
        self.initial_weights = f"{Path(path).name} sha256:{sha256_file(path)}" + "".join(
            f" ({saw(number)})" for number in self.start_saw.values() if number != 0
        )

    def resume(self, meta: Mapping[str, Any]) -> None:
        """Take over what a checkpoint of this very training says."""
        self.initial_weights = meta["initial_weights"]
        self.started_from = list(meta.get("started_from", ()))
        self.start_saw = {START_SAW: meta[START_SAW]} if START_SAW in meta else {}

    def pseudo_labels(self) -> Facts | None:
        """What is known of the pseudo-labels that are trained on, if any; see `read_facts`."""
        used = getattr(self.dataset, "pseudo_labels", None)
        facts = self._on_disk if used is None else used.facts
        return None if facts is None else facts | self.start_saw

    def meta(self, segmentor: Any) -> dict[str, Any]:
        """A checkpoint's share of it; ``segmentor`` is the network that is trained, or None."""
        start = getattr(getattr(segmentor, "backbone", None), "initial_weights", None)
        own = start and " sha256:".join(filter(None, (Path(start.source).name, start.sha256)))
        weights = self.initial_weights or own or "random weights"
        made = dict(initial_weights=weights, pseudo_labels=self.pseudo_labels())
        shares: dict[str, Any] = dict(started_from=self.started_from, labelled=self._labelled)
        chosen = chosen_labels(self.dataset)
        shares |= {CHOSEN: chosen} if chosen else {}
        return made | self.start_saw | shares | dict(dataset_meta=self._described)


def _of_daseg(dataset: Any) -> list[SegDataset]:
    """The data sets of daseg's in a mixture, or the data set itself."""
    return [leaf for leaf in leaves(dataset) if isinstance(leaf, SegDataset)]


def _has_own_labels(dataset: SegDataset) -> bool:
    """Whether a data set's labels lie in a folder of their own, as pseudo-labels would."""
    return dataset.labels and dataset.label_root != dataset.root


def _facts_of_labels(dataset: Any) -> Facts | None:
    """Of pseudo-labels that a data set reads as its labels: ``label_root`` names their folder."""
    parts = _of_daseg(getattr(dataset, "source", dataset))
    roots = sorted({part.label_root for part in parts if _has_own_labels(part)})
    found = [facts for facts, _ in filter(None, map(read_facts, roots))]
    for facts in found:
        check_same(
            tuple(facts["classes"]),
            names_of(dataset),
            f"the pseudo-labels at {facts['root']} are of",
            "the training data have",
        )
    if len(found) > 1:
        named = " and ".join(facts["root"] for facts in found)
        raise ConfigError(
            f"a training has pseudo-labels of one folder, but label_root names {named}: make them "
            "in one folder, so that its report can say where they are from"
        )
    return found[0] if found else None


def described(dataset: Any) -> dict[str, Any]:
    """What a checkpoint tells of the data's classes, as plain values.

    Raises:
        ConfigError: It could not be read again, which is to be known before anything is trained.
    """
    metainfo = getattr(dataset, "metainfo", None) or {}
    plain = {key: _plain(value) for key, value in metainfo.items()}
    problem = wrong_checkpoint(dict(meta=dict(dataset_meta=plain)))
    if problem:
        raise ConfigError(
            f"the metainfo of {dataset!r} cannot be kept in a checkpoint: {problem} (classes are "
            "names, palette has three numbers from 0 to 255 for each)"
        )
    return plain


def _plain(value: Any) -> Any:
    value = value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def checkpoint_meta(runner: Any) -> dict[str, Any]:
    """What the networks of a run are, and were trained on, at this moment: a checkpoint's meta."""
    meta: dict[str, Any] = dict(iter=runner.train_loop.done, max_iters=runner.max_iters, epoch=0)
    meta |= identity(runner) | dict(
        settings=settings_of(runner),
        cfg=config_text(runner.cfg._cfg_dict),
        config_path=str(runner.cfg.filename),
        time=time.strftime("%Y-%m-%d %H:%M:%S"),
    )
    if getattr(runner.bare_model, "evaluated", "teacher") == "student":
        meta["evaluated"] = "student"
    meta |= shuffle_window(runner.train_loop.dataloader.sampler)
    segmentor = runner.bare_segmentor if hasattr(runner.bare_model, "segmentor") else None
    return meta | runner.origin.meta(segmentor) | dict(versions=versions())


def shuffle_window(sampler: Any) -> dict[str, int]:
    """Samples within which a sampler shuffles, the fewest of its domains; nothing: among all."""
    parts = [getattr(sampler, domain, sampler) for domain in ("source", "target")]
    windows = [part.window for part in parts if getattr(part, "window", None)]
    return dict(shuffle_window=min(windows)) if windows else {}
