"""The tables of a report."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from daseg.study.claims import FAILS, HOLDS, Finding
from daseg.study.definition import Row, Study
from daseg.study.measures import Spread, gap_closed, spread
from daseg.study.ranking import Ranking
from daseg.study.runs import Run, read_lines
from daseg.utils.progress import duration
from daseg.utils.pseudo_labels import START_SAW, kind_of_training, saw

NONE = "-"
GOOD, BAD, OPEN, FAINT = "good", "bad", "open", "faint"
LISTED = re.compile(r"# (?P<name>\w+) at .*: (?P<count>\d+) of \d+ images")


class Colored(str):
    """A cell's text that stands out: in the colour `GOOD`, `BAD`, `OPEN` or `FAINT`."""

    color: str

    def __new__(cls, text: str, color: str) -> "Colored":
        """The text in its colour."""
        cell = super().__new__(cls, text)
        cell.color = color
        return cell


class Table(NamedTuple):
    """A table; the first column names its rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def results(study: Study, ranking: Ranking) -> Table:
    """Each row: mIoU, the study's own, the gap closed, the rank, what it took and what it saw."""
    columns = ["row", "mIoU (n)", "seeds", "study's log", "gap closed (%)", "rank"]
    columns += ["training", "memory", "target train labels opened", "pseudo-labels"]
    lines = []
    for row in study.rows.values():
        seeds = ", ".join(f"{value:.1f}" for value in row.by_seed.values())
        line = [row.name, str(row.miou or NONE), seeds or NONE, _logged(row), gap(study, row)]
        line += [ranking.ranks.get(row.name, NONE), _training_time(row), _memory(row)]
        lines.append([*line, _labels_opened(row), _pseudo_labels(row)])
    return Table(columns, lines)


def descriptions(study: Study, ranking: Ranking) -> Table:
    """Each row: where it belongs, its data, its config, how long and from where it trained."""
    columns = ["row", "group", "training data", "config", "iterations", "started from", "remark"]
    lines = []
    for row in study.rows.values():
        steps: Iterable[int | None] = (card.iteration for card in row.cards.values())
        iterations = ", ".join(dict.fromkeys(str(step) for step in steps if step is not None))
        line = [row.name, row.group, row.data, row.config, iterations, ranking.starts[row.name]]
        lines.append([text or NONE for text in (*line, row.remark)])
    return Table(columns, lines)


def class_ious(study: Study) -> Table:
    """IoU by class in percent: each measured row, and below it what the study has logged."""
    names = class_names(study)
    lines: list[Sequence[str]] = []
    for row in study.rows.values():
        measured, log = row.class_iou(), row.classes_logged
        if measured:
            lines.append([row.name, *(number(measured.get(name), 1) for name in names)])
        if log:
            values = [Colored(number(log.get(name), 1), FAINT) for name in names]
            lines.append([f"{row.name} (study's log)", *values])
    return Table(["row", *names], lines)


def sizes(study: Study) -> Table:
    """The rows of the curves over the number of target images: the study's number, and this one."""
    lines = []
    for curve, pairs in study.sizes.items():
        for count, name in sorted(pairs):
            row = study.rows[name]
            here = {run.target_images for run in row.runs if run.target_images is not None}
            used = ", ".join(map(str, sorted(here))) or NONE
            lines.append([curve, name, str(count), used, str(row.miou or NONE), _logged(row)])
    columns = ["curve", "row", "target images", "images here", "mIoU (n)", "study's log"]
    return Table(columns, lines)


def checks(findings: Sequence[Finding]) -> Table:
    """The checks of a claim, measured and in the study's log."""
    columns = ["check", "verdict", "both sides", "holds in seeds", "std of their distance"]
    lines = []
    for each in findings:
        held = f"{each.held} of {each.seeds}" if each.seeds else NONE
        measured = [verdict_cell(each.verdict), _sides(each.sides), held, number(each.std)]
        log = [verdict_cell(each.logged), _sides(each.logged_sides)]
        lines.append([each.check.text, *measured, *log])
    return Table([*columns, "by the study's log", "both sides in the log"], lines)


def verdict_cell(verdict: str) -> Colored:
    """A verdict in its colour."""
    return Colored(verdict, {HOLDS: GOOD, FAILS: BAD}.get(verdict, OPEN))


def class_names(study: Study) -> list[str]:
    """All classes that a row was evaluated on; before any was, those of the study's log."""
    measured = (name for row in study.rows.values() for name in row.class_iou())
    log = (name for row in study.rows.values() for name in row.classes_logged)
    return list(dict.fromkeys(measured)) or list(dict.fromkeys(log))


def gap(study: Study, row: Row) -> str:
    """Percent of the gap from its baseline to its oracle that a row closes, from the means."""
    ends = study.mean(row.baseline), study.mean(row.oracle)
    return number(gap_closed(study.mean(row.name), *ends), 0)


def one_domain(row: Row) -> str:
    """What a row that has no target domain trained on: "one domain: 300 labels of Cityscapes".

    From the lists of training images; without them from the study's own words.
    """
    read = ", or ".join(dict.fromkeys(filter(None, map(_labels_read, row.runs))))
    read = read or (f"labels of {row.data}" if row.data else "")
    if not read:
        return "no target domain in training"
    pseudo = any(run.report.get("pseudo_labels") for run in row.runs)
    return f"one domain: {read}" + (", pseudo-labels among them" if pseudo else "")


def number(value: float | None, digits: int = 2) -> str:
    """The number, "-" for none."""
    return NONE if value is None else f"{value:.{digits}f}"


def _sides(sides: tuple[float, float] | None) -> str:
    """The numbers on both sides, in the order in which they are compared: "24.20 : 22.84"."""
    return NONE if sides is None else f"{sides[0]:.2f} : {sides[1]:.2f}"


def _logged(row: Row) -> str:
    """The study's own number, its iteration in brackets; then those at other iterations."""
    return "; ".join(f"{miou:.2f} ({step})" for step, miou in row.logged.items()) or NONE


def _training_time(row: Row) -> str:
    """Mean over the seeds of the time of training, without validation."""
    reported = [run.report.get("seconds") for run in row.runs]
    seconds: Spread | None = spread([each for each in reported if each is not None])
    return NONE if seconds is None else duration(seconds.mean)


def _memory(row: Row) -> str:
    """The largest peak of the seeds."""
    peaks = [
        (run.report["peak_memory_mib"], run.report.get("peak_memory_of"))
        for run in row.runs
        if run.report.get("peak_memory_mib")
    ]
    if not peaks:
        return NONE
    most, of = max(peaks)
    return f"{most:.0f} MiB{' of the GPU' if of == 'cuda' else ''}"


def _labels_opened(row: Row) -> str:
    """How many label files of the target's training images the trainings opened.

    Where a row trains on one domain alone, what that is: its labels are opened.
    """
    reports = [run.report for run in row.runs if run.report]
    if not reports:
        return NONE
    if not any(report.get("target_domain") for report in reports):
        return Colored(one_domain(row), FAINT)
    counts = [report.get("target_train_labels_opened") for report in reports]
    known = [count for count in counts if count is not None]
    opened = str(max(known)) if len(known) == len(counts) else "not known"
    starts = dict.fromkeys(report.get(START_SAW, 0) for report in reports)
    parts = [opened, *(f"initial weights {saw(number)}" for number in starts if number != 0)]
    return Colored("; ".join(parts), BAD) if parts != ["0"] else "0"


def _labels_read(run: Run) -> str:
    """By the headings of its list of images: "# Cityscapes at FOLDER: 50 of 300 images"."""
    path = run.path / "train_images.txt"
    lines = read_lines(path) if path.is_file() else []
    found = [match for line in lines if (match := LISTED.match(line))]
    return " + ".join(f"{match['count']} labels of {match['name']}" for match in found)


def _pseudo_labels(row: Row) -> str:
    """What kind of training on pseudo-labels it was, by the protocol cards."""
    if not row.cards:
        return NONE
    facts = (each for card in row.cards.values() for each in card.pseudo_labels)
    return "; ".join(dict.fromkeys(map(kind_of_training, facts))) or "none"
