"""What the folder of a study holds: its rows, their runs, and what each run has left behind."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from daseg.evaluation.card_file import load_card
from daseg.evaluation.protocol import ProtocolCard
from daseg.study.claims import check_claims
from daseg.study.files import (
    FOLDER,
    JOB,
    REPORT,
    RESULTS,
    STUDY,
    read_json_if_there,
    read_lines,
)
from daseg.study.measures import Spread, spread
from daseg.utils.errors import ConfigError, DataError
from daseg.utils.json_files import check_shape, unreadable
from daseg.visualization.curves import read_records

NAME = "study.json"
TEST_OF_ITERATION = re.compile(r"test_iter_(\d+)")


@dataclass(frozen=True)
class Evaluation:
    """One evaluation by ``tools/test.py``.

    Attributes:
        folder: Where it lies.
        results: Its ``results.json``; IoUs in percent.
        card: Its protocol card.
    """

    folder: Path
    results: dict[str, Any]
    card: ProtocolCard

    @property
    def miou(self) -> float | None:
        """In percent; None where no class has an IoU."""
        return self.results["mIoU"]


@dataclass
class Run:
    """One seed of a row.

    Attributes:
        row: Name of the row.
        seed: Its seed.
        path: The work dir.
        job: ``job.json``; empty where there is none.
        report: ``report.json`` of the training; empty where there is none.
        test: The evaluation of the last checkpoint; None where there is none.
        others: Those of other checkpoints, by iteration.
    """

    row: str
    seed: int
    path: Path
    job: dict[str, Any]
    report: dict[str, Any]
    test: Evaluation | None
    others: dict[int, Evaluation]

    @property
    def state(self) -> str:
        """How far it is: "done", "failed", "running", "not started" or "unfinished"."""
        if not self.path.is_dir():
            return "not started"
        return self.job.get("state") or ("unfinished" if self.test is None else "done")

    @property
    def finished(self) -> bool:
        """Whether it is done and has been tested."""
        return self.state == "done" and self.test is not None

    @property
    def miou(self) -> float | None:
        """Of the last checkpoint, in percent."""
        return None if self.test is None else self.test.miou

    @property
    def name(self) -> str:
        """The row and the seed, for a reader."""
        return f"{self.row}, seed {self.seed}"

    def tests(self) -> Iterator[Evaluation]:
        """All its evaluations."""
        yield from (self.test,) if self.test else ()
        yield from self.others.values()

    def test_at(self, iteration: int) -> Evaluation | None:
        """The evaluation of the checkpoint of this iteration."""
        if self.test is not None and self.test.card.iteration == iteration:
            return self.test
        return self.others.get(iteration)

    @property
    def target_images(self) -> int | None:
        """How many images of the target, or of the only domain, it trained on; None if untold."""
        for name in ("train_images_target.txt", "train_images.txt"):
            if (self.path / name).is_file():
                lines = read_lines(self.path / name)
                return sum(bool(line) and not line.startswith("#") for line in lines)
        return None

    @cached_property
    def records(self) -> list[dict]:
        """All that the training has logged; empty where nothing was trained."""
        if not any(self.path.glob("*/vis_data/scalars.json")):
            return []
        return read_records(self.path)


@dataclass
class Row:
    """One experiment, with a run for each seed."""

    name: str
    spec: Mapping[str, Any]
    runs: list[Run]

    def said(self, key: str) -> str:
        """What the study says of it under this key; "" for nothing."""
        return str(self.spec.get(key) or "")

    @property
    def logged(self) -> dict[str, float]:
        """The mIoU by iteration in the study's log; the first is the row's number."""
        return {str(step): float(v) for step, v in (self.spec.get("logged") or {}).items()}

    @property
    def logged_miou(self) -> float | None:
        """The row's number in the study's log."""
        return next(iter(self.logged.values()), None)

    @property
    def by_seed(self) -> dict[int, float]:
        """The mIoU of the last checkpoint of each seed that has one, in percent."""
        return {run.seed: run.miou for run in self.runs if run.miou is not None}

    @property
    def miou(self) -> Spread | None:
        """Over the seeds."""
        return spread(list(self.by_seed.values()))

    @property
    def cards(self) -> dict[int, ProtocolCard]:
        """Of the last checkpoint of each seed that has been tested."""
        return {run.seed: run.test.card for run in self.runs if run.test is not None}

    def class_iou(self) -> dict[str, float | None]:
        """IoU of each class, mean over the seeds that have one, in percent."""
        found: dict[str, list[float]] = {}
        for test in (run.test for run in self.runs if run.test is not None):
            for name, value in test.results["IoU"].items():
                found.setdefault(name, []).extend([] if value is None else [value])
        means = {name: spread(values) for name, values in found.items()}
        return {name: None if mean is None else mean.mean for name, mean in means.items()}


@dataclass
class Study:
    """A study and all that its runs have left behind."""

    root: Path
    spec: Mapping[str, Any]
    rows: dict[str, Row] = field(default_factory=dict)

    @property
    def runs(self) -> list[Run]:
        """All runs, row by row."""
        return [run for row in self.rows.values() for run in row.runs]

    @property
    def measured(self) -> list[Row]:
        """The rows that have a number."""
        return [row for row in self.rows.values() if row.miou is not None]

    def mean(self, name: str | None) -> float | None:
        """Mean mIoU of a row; None where it has none, or there is no such row."""
        found = self.rows[name].miou if name in self.rows else None
        return None if found is None else found.mean


def check_study(study: Mapping[str, Any]) -> None:
    """Check what a study says of itself, before anything is run.

    Args:
        study: The content of a ``study.json``.

    Raises:
        ConfigError: A key is missing, a row's name comes twice, or what was given, a baseline, an
            oracle, a size or a claim names a row that there is not.
    """
    for key in ("name", "title", "world", "seeds", "rows"):
        if key not in study:
            raise ConfigError(f"the study has no key {key!r}")
    names = [row.get("name") for row in study["rows"]]
    wrong = sorted({str(name) for name in names if not name or names.count(name) > 1})
    if wrong:
        raise ConfigError(f"each row of a study needs a name of its own: {', '.join(wrong)}")
    for name in study.get("given") or ():
        if name not in names:
            raise ConfigError(f"given: {name!r} is no row")
    for row in study["rows"]:
        for key in ("baseline", "oracle"):
            if row.get(key) is not None and row[key] not in names:
                raise ConfigError(f"row {row['name']!r}: its {key} {row[key]!r} is no row")
    for kind, sizes in (study.get("sizes") or {}).items():
        for _, name in sizes:
            if name not in names:
                raise ConfigError(f"sizes of {kind!r}: {name!r} is no row")
    check_claims(study)


def read_results(root: str | Path) -> Study:
    """Read a study's folder.

    Raises:
        DataError: ``study.json`` is missing, or a file cannot be read as what it should be.
        ConfigError: See `check_study`.
    """
    root = Path(root)
    spec = read_json_if_there(root / NAME)
    if spec is None:
        raise DataError(f"{root} is not the folder of a study: it has no {NAME}")
    try:
        check_study(spec)
        check_shape(spec, STUDY)
    except ConfigError as error:
        raise ConfigError(f"{root / NAME}: {error}") from error
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        hint = "tools/study.py writes it again"
        raise unreadable(root / NAME, "a study", error, hint) from error
    for row in spec["rows"]:
        if not FOLDER.fullmatch(row["name"]):
            raise DataError(f"{root / NAME}: the row {row['name']!r} is no name of a folder")
    return Study(root, spec, {row["name"]: _read_row(root, spec, row) for row in spec["rows"]})


def read_test(folder: Path) -> Evaluation | None:
    """Read an evaluation; None where there is none, or it did not come to its end.

    Raises:
        DataError: A file cannot be read as what it should be.
    """
    results = read_json_if_there(folder / "results.json", RESULTS)
    if results is None or not (folder / "protocol_card.json").is_file():
        return None  # the card is written last
    return Evaluation(folder, results, load_card(folder))


def _read_row(root: Path, spec: Mapping[str, Any], row: Mapping[str, Any]) -> Row:
    name, given = row["name"], spec.get("given") or ()
    seeds = spec["seeds"][:1] if name in given else spec["seeds"]  # one checkpoint has one result
    return Row(name, row, [_read_run(root, name, int(seed)) for seed in seeds])


def _read_run(root: Path, row: str, seed: int) -> Run:
    path = root / "runs" / row / f"seed_{seed}"
    others = {}
    for folder in sorted(path.glob("test_iter_*")):
        match, test = TEST_OF_ITERATION.fullmatch(folder.name), read_test(folder)
        if match and test is not None:
            others[int(match[1])] = test
    job = read_json_if_there(path / "job.json", JOB) or {}
    report = read_json_if_there(path / "report.json", REPORT, nan=True) or {}
    return Run(row, seed, path, job, report, read_test(path / "test"), others)
