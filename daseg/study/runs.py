"""One training of a study, as found in its folder: record of the job, log, tests."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from daseg.evaluation.card_file import load_card
from daseg.evaluation.protocol import ProtocolCard
from daseg.utils.files import read_bytes
from daseg.utils.json_files import read_json, unreadable
from daseg.utils.pseudo_labels import CHOSEN, START_SAW
from daseg.visualization.curves import read_records

TEST_OF_ITERATION = re.compile(r"test_iter_(\d+)")
# The shapes of the files that are read, see `daseg.utils.json_files.check_shape`.
RESULTS: dict[str, Any] = {"mIoU": float | None, "IoU": dict[str, float | None]}
RECORD: dict[str, Any] = {
    "state?": Literal["to do", "queued", "running", "stopped", "failed", "done"],
    "settings?": {"needs?": dict[str, str]},
    "given?": str | None,
    "made?": str | None,
    "made_of?": dict[str, str | None],
    "commands?": list[str | list[str]] | None,
    "seconds?": dict[str, float],
    "cluster?": dict[str, str] | None,
}
REPORT: dict[str, Any] = {
    "seconds?": float | None,
    "seconds_per_iteration?": float | None,
    "validation_seconds?": float | None,
    "peak_memory_mib?": float | None,
    "peak_memory_of?": str | None,
    "target_domain?": bool,
    "target_train_labels_opened?": int | None,
    f"{START_SAW}?": int | None,
    f"{CHOSEN}?": int,
}


@dataclass(frozen=True)
class Evaluation:
    """One evaluation by ``daseg test``.

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
    """A row's training with one seed.

    Attributes:
        row: Name of the row.
        seed: The seed.
        path: The work dir.
        record: ``job.json``; empty where there is none.
        report: ``report.json`` of the training; empty where there is none.
        test: The evaluation of the last checkpoint; None where there is none.
        others: The evaluations of other checkpoints, by iteration.
    """

    row: str
    seed: int
    path: Path
    record: dict[str, Any]
    report: dict[str, Any]
    test: Evaluation | None
    others: dict[int, Evaluation]

    @property
    def state(self) -> str:
        """The state in its record; without one "not started", "unfinished" or "done"."""
        if not self.path.is_dir():
            return "not started"
        return self.record.get("state") or ("unfinished" if self.test is None else "done")

    @property
    def finished(self) -> bool:
        """Whether it is done and has been tested."""
        return self.state == "done" and self.test is not None

    @property
    def miou(self) -> float | None:
        """MIoU of the last checkpoint, in percent."""
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
        """Number of training images of the target, or of the only domain; None if not known."""
        for name in ("train_images_target.txt", "train_images.txt"):
            if (self.path / name).is_file():
                lines = read_lines(self.path / name)
                return sum(bool(line) and not line.startswith("#") for line in lines)
        return None

    @cached_property
    def log(self) -> list[dict]:
        """The lines of the training's log; empty where nothing was trained."""
        if not any(self.path.glob("*/vis_data/scalars.json")):
            return []
        return read_records(self.path)


def read_run(root: Path, row: str, seed: int) -> Run:
    """Read the run of a row with this seed, in the study's folder ``root``.

    Raises:
        DataError: A file cannot be read as what it should be; it is named.
    """
    path = root / "runs" / row / f"seed_{seed}"
    others = {}
    for folder in sorted(path.glob("test_iter_*")):
        match, test = TEST_OF_ITERATION.fullmatch(folder.name), read_test(folder)
        if match and test is not None:
            others[int(match[1])] = test
    report = _read_if_there(path / "report.json", "the report of a training", REPORT, nan=True)
    return Run(row, seed, path, read_record(path), report or {}, read_test(path / "test"), others)


def read_record(folder: Path) -> dict[str, Any]:
    """``job.json``, the record of the job that works in a folder; empty where there is none.

    Raises:
        DataError: The file cannot be read.
    """
    hint = f"delete {folder} to make it again"
    return _read_if_there(folder / "job.json", "the record of a job", RECORD, hint=hint) or {}


def read_test(folder: Path) -> Evaluation | None:
    """Read an evaluation; None where there is none, or it was stopped before its end.

    Raises:
        DataError: A file cannot be read as what it should be.
    """
    results = _read_if_there(folder / "results.json", "the results of a test", RESULTS)
    if results is None or not (folder / "protocol_card.json").is_file():
        return None  # the card is written last
    return Evaluation(folder, results, load_card(folder))


def read_lines(path: Path) -> list[str]:
    """The lines of a list of images; invalid UTF-8 in names is replaced.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        return read_bytes(path).decode("utf-8", "replace").split("\n")
    except OSError as error:
        raise unreadable(path, "a list of images", error) from error


def _read_if_there(path: Path, what: str, shape: Any, **options: Any) -> Any:
    """`read_json`; None where there is no file."""
    return read_json(path, what, shape, **options) if os.path.lexists(path) else None
