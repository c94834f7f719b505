"""A prepared data set as it is read: its index, and one sample after the other."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from daseg.datasets.files.inventory import Place
from daseg.datasets.files.scan import Sample
from daseg.datasets.files.table import SampleTable
from daseg.datasets.firewall import note_copy_read
from daseg.datasets.prepared.settings import folder_name, num_fixed, settings_of
from daseg.datasets.prepared.shards import (
    file_state,
    image_of,
    is_same_file,
    label_of,
    read_members,
    shard_path,
)
from daseg.utils.errors import ConfigError, DataError
from daseg.utils.json_files import read_json, unreadable

if TYPE_CHECKING:
    from daseg.datasets.base import SegDataset

FORMAT = 1
MANIFEST = "prepared.json"
WHAT = "the manifest of a prepared data set"
SHAPE = {
    "format": int,
    "settings": dict[str, Any],
    "shard_size": int,
    "num_found": int,
    "found_sha256": str,
    "folders": dict[str, int],
    "suffixes": list[str],
    "odd": list[tuple[int, str, str | None]],
    "shards": list[int],
}
ARRAYS = ("records", "rows", "names", "ends", "codes")


def array_path(folder: Path, key: str) -> Path:
    """The file of an array of the index."""
    return folder / f"index.{key}.npy"


class Store:
    """Reads what ``daseg prepare`` has written of a data set.

    The index is mapped, not read: processes share it, and a million samples open at once.

    Args:
        root: Folder of all prepared data sets, or that of this one.
        dataset: The data set, whose files are not looked for yet.

    Raises:
        ConfigError: There is nothing of these settings; the message says which one differs.
        DataError: It is unfinished, or older than the data set's files.

    Attributes:
        steps: Number of the pipeline's first transforms whose results are kept.
        samples: All samples that are kept.
        num_found: Number of samples that the data set has without ``num_samples``.
        rows: For each kept sample, which of those it is.
    """

    def __init__(self, root: Path, dataset: "SegDataset") -> None:
        self.settings = settings_of(dataset)
        self.folder = _find(root, self.settings, dataset)
        manifest = read_manifest(self.folder)
        self.steps = num_fixed(dataset.pipeline.transforms)
        self.shard_size, self.num_found = manifest["shard_size"], manifest["num_found"]
        place = dataset.place()
        labels = place.labels if dataset.labels else None
        self._open()
        arrays = {key: self.index[key] for key in ("names", "ends", "codes")}
        self.samples = SampleTable.of_arrays(
            dataset.layout, place.images, labels, manifest["suffixes"], arrays
        )
        self.samples.odd = {
            row: Sample(Path(image), None if label is None else Path(label), self.samples.name(row))
            for row, image, label in manifest["odd"]
        }
        self.has_source = place.images.is_dir()
        self._check_shards(manifest["shards"])
        if self.has_source:
            _check_found(manifest, place, dataset)

    def _open(self) -> None:
        self.index: dict[str, np.ndarray] = {}
        for key in ARRAYS:
            path = array_path(self.folder, key)
            try:
                self.index[key] = np.load(path, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError) as error:
                raise unreadable(path, "the index of a prepared data set", error) from error

    def __getstate__(self) -> dict[str, Any]:
        """Without the index, which a process that is started anew maps again."""
        return {key: value for key, value in vars(self).items() if key != "index"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    @property
    def rows(self) -> np.ndarray:
        """See the class."""
        return self.index["rows"]

    def places(self, chosen: np.ndarray, dataset: "SegDataset") -> np.ndarray:
        """Where the samples are kept that have these numbers among all that the data set has.

        Raises:
            ConfigError: One is not kept.
        """
        if len(chosen) == len(self.rows) == self.num_found:
            return chosen
        places = np.searchsorted(self.rows, chosen)
        found = self.rows[np.minimum(places, len(self.rows) - 1)] == chosen
        if not found.all():
            raise ConfigError(
                f"{self.folder} holds {len(self.rows)} of the {self.num_found} samples of "
                f"{dataset.root}, but not {int((~found).sum())} of the {len(chosen)} that are "
                "asked for: run daseg prepare with this num_samples and subset_seed, or without"
            )
        return places

    def start(self, number: int, described: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
        """What the pipeline's first steps give of a sample, and what moved (`Pipeline.whole`).

        Args:
            number: Which of all samples that the data set has.
            described: What the pipeline starts from.

        Raises:
            DataError: It is damaged, or older than its files.
        """
        place = int(np.searchsorted(self.rows, number))
        path = shard_path(self.folder, place // self.shard_size)
        record = self.index["records"][place]
        image, label, about = read_members(path, record)
        known = json.loads(bytes(about))
        if known["name"] != described["name"]:
            raise DataError(
                f"{path} holds {known['name']!r} where {described['name']!r} should be: it belongs "
                "to another data set; run daseg prepare again"
            )
        if self.has_source:
            self._check_files(described, record, known["sha256"])
        facts = {k: tuple(v) if isinstance(v, list) else v for k, v in known["facts"].items()}
        results = {**described, **facts, "img": image_of(image, path)}
        if label:
            note_copy_read(described["seg_map_path"])
            results["gt_seg_map"] = label_of(label)
        return results, known["moved"]

    def _check_files(
        self, described: dict[str, Any], record: np.ndarray, hashes: Sequence[str | None]
    ) -> None:
        files = (described["img_path"], described["seg_map_path"])
        for file, state, sha256 in zip(files, record["files"].tolist(), hashes, strict=True):
            if file is None:
                continue
            path = Path(file)
            if list(file_state(path)) != state and not is_same_file(path, sha256):
                raise DataError(
                    f"{path} was changed after {self.folder} was made of it: run the same "
                    "daseg prepare again, which makes anew what has changed"
                )

    def _check_shards(self, sizes: Sequence[int]) -> None:
        for number, size in enumerate(sizes):
            path = shard_path(self.folder, number)
            there = file_state(path)[0] if path.exists() else None
            if there != size:
                raise DataError(
                    f"{path} has {there or 0} bytes, not {size}: it is missing or cut off; run "
                    "daseg prepare again"
                )


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a prepared data set that is finished.

    Raises:
        DataError: There is none, or it is broken, or of another version.
    """
    path = folder / MANIFEST
    if not path.exists():
        raise DataError(f"{folder} is unfinished: run the same daseg prepare again, it goes on")
    manifest: dict[str, Any] = read_json(path, WHAT, SHAPE, hint=f"delete {folder}")
    if manifest["format"] != FORMAT:
        raise DataError(f"{path} has the format {manifest['format']}, not {FORMAT}: prepare again")
    return manifest


def found_facts(samples: SampleTable, place: Place) -> dict[str, Any]:
    """What tells later whether a data set has the same samples: their names, their folders."""
    digest = hashlib.sha256()
    folders = {""}
    for name in samples.names():
        digest.update(name.encode("utf-8", "surrogateescape") + b"\0")
        parent = name.rpartition("/")[0]
        while parent and parent not in folders:
            folders.add(parent)
            parent = parent.rpartition("/")[0]
    times = {folder: file_state(place.images / folder)[1] for folder in sorted(folders)}
    return dict(num_found=len(samples), found_sha256=digest.hexdigest(), folders=times)


def _check_found(manifest: dict[str, Any], place: Place, dataset: "SegDataset") -> None:
    """Look whether images came or went since: into the folders alone, if these tell."""
    images = place.images
    if all(
        (images / f).is_dir() and os.stat(images / f).st_mtime_ns == time
        for f, time in manifest["folders"].items()
    ):
        return
    found = dataset.scan()
    now = found_facts(found, place)
    if now["found_sha256"] != manifest["found_sha256"]:
        raise DataError(
            f"{images} has {now['num_found']} samples now, not the {manifest['num_found']} that "
            f"were there when they were prepared: run daseg prepare again"
        )


def _find(root: Path, settings: dict[str, Any], dataset: "SegDataset") -> Path:
    """The folder of these settings: ``root`` itself, or a folder in it."""
    name = folder_name(settings)
    places = [root] if (root / MANIFEST).exists() else [root / name]
    if places[0].is_dir():
        there = places[0] / MANIFEST
        if not there.exists() or read_json(there, WHAT)["settings"] == settings:
            return places[0]
    lines = []
    for path in sorted([*root.glob(f"*/{MANIFEST}"), *root.glob(MANIFEST)]):
        other = read_json(path, WHAT).get("settings") or {}
        if other.get("type") == settings["type"]:
            changed = [k for k in settings if other.get(k) != settings[k]]
            differs = "; ".join(f"{k}: {other.get(k)} there, {settings[k]} here" for k in changed)
            lines.append(f"\n  {path.parent.name}: {differs}")
    raise ConfigError(
        f"{root} holds no prepared samples of {type(dataset).__name__} at {dataset.root} with this "
        "pipeline; make them with daseg prepare CONFIG --out "
        f"{root}{', or mend what differs:' if lines else ''}{''.join(lines[:4])}"
    )
