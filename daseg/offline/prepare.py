"""Write each data set of a config once as its pipeline's first steps give it: ``daseg prepare``."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine import Config
from torch.utils.data import Dataset

from daseg.config.load import load_config
from daseg.config.settings import LOADERS
from daseg.datasets import SegDataset
from daseg.datasets.check import dataset_configs
from daseg.datasets.prepared.settings import folder_name, num_fixed, settings_of
from daseg.datasets.prepared.shards import RECORD, file_state, shard_path, write_shard
from daseg.datasets.prepared.store import ARRAYS, FORMAT, MANIFEST, array_path, found_facts
from daseg.offline.images import in_order
from daseg.offline.recorder import going_on
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError, DataError
from daseg.utils.files import atomic_write, atomic_write_text, remove_leftovers
from daseg.utils.json_files import read_json
from daseg.utils.lock import locked
from daseg.utils.progress import track
from daseg.utils.versions import versions
from daseg.utils.walk import walk
from daseg.utils.writable import check_folder

PLAN = "plan.json"  # what is being written; the manifest, at the end, says that it is finished
SPLITS = ("train", "val", "test")


@dataclass
class Prepared:
    """What was prepared of one data set.

    Attributes:
        dataset: The data set, in words.
        folder: Where it is.
        samples: Number of its samples.
        made: How many shards were written now.
        shards: How many there are.
        bytes: Their size.
    """

    dataset: str
    folder: Path
    samples: int
    made: int
    shards: int
    bytes: int


def prepare(
    config: str | Path,
    *,
    out: str | Path,
    split: str = "all",
    workers: int = 4,
    shard_size: int = 100,
    compress: bool = False,
    overwrite: bool = False,
    world: str | None = None,
    cfg_options: Mapping[str, Any] | None = None,
) -> Iterator[Prepared]:
    """Prepare the data sets of a config, each once; go on where an earlier run ended.

    Args:
        config: A config file, or the name of one.
        out: Folder of all prepared data sets; each gets a folder in it, by its settings.
        split: "train", "val", "test", or "all" of them.
        workers: Processes that read and write; 0: this one.
        shard_size: Samples of one tar file.
        compress: Images as PNG, in about half the bytes; else as they are in memory.
        overwrite: Write anew what was prepared of other images, or in another form.
        world: Take the config as it is in a small world.
        cfg_options: Overrides by dotted key.

    Raises:
        ConfigError, DataError: What was written stays, whole, for the next run.
    """
    if shard_size < 1:
        raise ConfigError(f"--shard-size is at least 1, not {shard_size}")
    if split not in (*SPLITS, "all"):
        raise ConfigError(f"--split is {', '.join(SPLITS)} or all, not {split!r}")
    root = check_folder(out, "--out")
    cfg = load_config(config, dict(cfg_options or {}), world=world)
    loaders = LOADERS if split == "all" else (f"{split}_dataloader",)
    datasets = list(_datasets(cfg, loaders))
    if not datasets:
        raise ConfigError(f"{config}: {' and '.join(loaders)} read no data set of files")
    for dataset in datasets:
        folder = root / folder_name(settings_of(dataset))
        with going_on(), locked(folder):
            yield Preparation(dataset, folder, shard_size, compress).run(workers, overwrite)


def _datasets(cfg: Config, loaders: tuple[str, ...]) -> Iterator[SegDataset]:
    """The data sets that the loaders read, each once."""
    seen = set()
    for loader in loaders:
        tree = (cfg.get(loader) or {}).get("dataset")
        for _, node in walk(tree):
            if isinstance(node, dict) and node.get("pseudo_labels"):
                raise ConfigError(
                    f"{cfg.filename}: {loader}: pseudo-labels change with each round, and are read "
                    "beside the whole image: what is prepared cannot be used with them"
                )
        for leaf in dataset_configs(tree):
            dataset = DATASETS.build(leaf)
            key = (folder_name(settings_of(dataset)), len(dataset))
            if key not in seen:
                seen.add(key)
                yield dataset


class _Shards(Dataset[int]):
    """Writes a shard where an item is asked for: in a loader's worker."""

    def __init__(self, dataset: SegDataset, folder: Path, todo: list[int], **options: Any) -> None:
        self.dataset, self.folder, self.todo = dataset, folder, todo
        self.size, self.compress = options["shard_size"], options["compress"]

    def __len__(self) -> int:
        return len(self.todo)

    def __getitem__(self, item: int) -> int:
        number = self.todo[item]
        dataset, path = self.dataset, shard_path(self.folder, number)
        steps = num_fixed(dataset.pipeline.transforms)
        rows = range(number * self.size, min((number + 1) * self.size, len(dataset)))
        records = write_shard(dataset, steps, rows, path, compress=self.compress)
        with atomic_write(records_path(path)) as temporary, temporary.open("wb") as file:
            np.save(file, records, allow_pickle=False)
        return number


def records_path(shard: Path) -> Path:
    """Where the records of a shard's samples are, once it is whole."""
    return shard.with_suffix(".npy")


class Preparation:
    """The work on one data set.

    Args:
        dataset: The data set.
        folder: Its folder.
        shard_size: Samples of one tar file.
        compress: Images as PNG.
    """

    def __init__(self, dataset: SegDataset, folder: Path, shard_size: int, compress: bool) -> None:
        if not num_fixed(dataset.pipeline.transforms):
            raise ConfigError(
                f"{dataset}: the pipeline does not begin with LoadImageFromFile, so that there is "
                "nothing to prepare"
            )
        self.dataset, self.folder = dataset, folder
        found = dataset.samples if dataset.rows is None else dataset.scan()
        self.facts = found_facts(found, dataset.place())
        self.numbers = range(-(-len(dataset) // shard_size))
        self.plan: dict[str, Any] = dict(
            format=FORMAT,
            settings=settings_of(dataset),
            samples=[len(dataset), None if dataset.rows is None else dataset.subset_seed],
            found_sha256=self.facts["found_sha256"],
            shard_size=shard_size,
            compress=compress,
        )

    def run(self, workers: int, overwrite: bool) -> Prepared:
        """Write the shards that are not there yet, and the index."""
        remove_leftovers(self.folder)
        self._follow_plan(overwrite)
        todo = [number for number in self.numbers if not self._is_whole(number)]
        if todo:
            (self.folder / MANIFEST).unlink(missing_ok=True)
            options = {key: self.plan[key] for key in ("shard_size", "compress")}
            shards = _Shards(self.dataset, self.folder, todo, **options)
            for _ in track(in_order(shards, workers), len(todo), f"preparing {self.dataset}"):
                pass
        sizes = [file_state(shard_path(self.folder, number))[0] for number in self.numbers]
        self._finish(sizes)
        return Prepared(
            str(self.dataset), self.folder, len(self.dataset), len(todo), len(sizes), sum(sizes)
        )

    def _follow_plan(self, overwrite: bool) -> None:
        """Compare with what an earlier run has planned."""
        path = self.folder / PLAN
        if path.exists():
            there = read_json(path, "the plan of a prepared data set", hint="use --overwrite")
            changed = [key for key in self.plan if there.get(key) != self.plan[key]]
            if not changed:
                return
            if not overwrite:
                raise DataError(
                    f"{self.folder} was prepared otherwise ({', '.join(changed)} differ: "
                    f"{[there.get(k) for k in changed]} there, {[self.plan[k] for k in changed]} "
                    "now): choose another folder, or write it anew with --overwrite"
                )
            for old in (MANIFEST, *(p.name for p in self.folder.glob("[0-9]*.npy"))):
                (self.folder / old).unlink(missing_ok=True)
            for shard in self.folder.glob("[0-9]*.tar"):
                shard.unlink()
        atomic_write_text(path, json.dumps(self.plan, indent=1) + "\n")

    def _records(self, number: int) -> np.ndarray | None:
        """The records of a shard that was written; None where it was not, or not whole."""
        try:
            records = np.load(records_path(shard_path(self.folder, number)), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return records if records.dtype == RECORD else None

    def _is_whole(self, number: int) -> bool:
        """Whether a shard is there, of files that have not changed since."""
        path, records = shard_path(self.folder, number), self._records(number)
        if records is None or not path.is_file():
            return False
        begin = number * self.plan["shard_size"]
        samples = self.dataset.samples[begin : begin + self.plan["shard_size"]]
        if len(samples) != len(records):
            return False
        states = [[file_state(sample.image), file_state(sample.label)] for sample in samples]
        last = records[-1]
        is_long = path.stat().st_size > int(last["offset"]) + int(last["sizes"].sum())
        return is_long and np.array_equal(records["files"], np.array(states))

    def _finish(self, sizes: list[int]) -> None:
        records = [self._records(number) for number in self.numbers]
        missing = [number for number, found in enumerate(records) if found is None]
        if missing:
            raise DataError(f"{self.folder}: shards {missing[:5]} have gone: prepare again")
        rows = self.dataset.rows
        arrays = dict(
            records=np.concatenate([found for found in records if found is not None]),
            rows=np.arange(len(self.dataset)) if rows is None else rows.numpy(),
            **self.dataset.samples.arrays(),
        )
        for key in ARRAYS:
            with (
                atomic_write(array_path(self.folder, key)) as temporary,
                temporary.open("wb") as file,
            ):
                np.save(file, arrays[key], allow_pickle=False)
        manifest = dict(
            **self.facts,
            **{key: self.plan[key] for key in ("format", "settings", "shard_size")},
            suffixes=self.dataset.samples.suffixes,
            odd=[
                [row, str(sample.image), None if sample.label is None else str(sample.label)]
                for row, sample in self.dataset.samples.odd.items()
            ],
            shards=sizes,
            versions=versions(),
        )
        atomic_write_text(self.folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")
