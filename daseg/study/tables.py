"""The tables of a report: results, what the rows are and took, IoU by class."""

import re
from collections.abc import Iterable

from daseg.study.collect import Row, Run, Study
from daseg.study.document import BAD, FAINT, Cell, Table
from daseg.study.files import read_lines
from daseg.study.measures import Spread, gap_closed, spread
from daseg.study.ranking import Ranking
from daseg.utils.pseudo_labels import START_SAW, kind_of_training, saw

NONE = "-"
LISTED = re.compile(r"# (?P<name>\w+) at .*: (?P<count>\d+) of \d+ images")


def results(study: Study, ranking: Ranking) -> Table:
    """Each row: mIoU, the study's own, the gap closed, the rank, what it took and what it saw."""
    columns = ["row", "mIoU (n)", "seeds", "study's log", "gap closed (%)", "rank"]
    columns += ["training", "memory", "target train labels opened", "pseudo-labels"]
    lines = []
    for row in study.rows.values():
        line = [row.name, _miou(row), _by_seed(row), logged(row), gap(study, row)]
        line += [ranking.ranks.get(row.name, NONE), training_time(row), memory(row)]
        lines.append([*line, labels_opened(row), pseudo_labels(row)])
    return Table(columns, lines)


def descriptions(study: Study, ranking: Ranking) -> Table:
    """Each row: where it belongs, its data, its config, how long and from where it trained."""
    columns = ["row", "group", "training data", "config", "iterations", "started from", "remark"]
    lines = []
    for row in study.rows.values():
        said = [row.said(key) or NONE for key in ("group", "data", "config")]
        start = ranking.starts[row.name] or NONE
        lines.append([row.name, *said, _iterations(row), start, row.said("remark") or NONE])
    return Table(columns, lines)


def class_ious(study: Study) -> Table:
    """IoU by class in percent: each measured row, and below it what the study has logged."""
    names = class_names(study)
    lines: list[list[str | Cell]] = []
    for row in study.rows.values():
        measured, log = row.class_iou(), row.spec.get("classes_logged") or {}
        if measured:
            lines.append([row.name, *(number(measured.get(name), 1) for name in names)])
        if log:
            told = [Cell(number(log.get(name), 1), FAINT) for name in names]
            lines.append([f"{row.name} (study's log)", *told])
    return Table(["row", *names], lines)


def sizes(study: Study) -> Table:
    """The rows of the curves over the number of target images: the study's number, and this one."""
    lines = []
    for kind, pairs in (study.spec.get("sizes") or {}).items():
        for count, name in sorted(pairs):
            row = study.rows[name]
            here = {run.target_images for run in row.runs if run.target_images is not None}
            used = ", ".join(str(images) for images in sorted(here)) or NONE
            lines.append([kind, name, str(count), used, _miou(row), logged(row)])
    columns = ["curve", "row", "target images", "images here", "mIoU (n)", "study's log"]
    return Table(columns, lines)


def class_names(study: Study) -> list[str]:
    """All classes that a row was evaluated on; before any was, those of the study's log."""
    measured = (name for row in study.rows.values() for name in row.class_iou())
    log = (n for row in study.rows.values() for n in row.spec.get("classes_logged") or {})
    return list(dict.fromkeys(measured)) or list(dict.fromkeys(log))


def gap(study: Study, row: Row) -> str:
    """Percent of the gap from its baseline to its oracle that a row closes, of the means."""
    ends = [study.mean(row.spec.get(key)) for key in ("baseline", "oracle")]
    return number(gap_closed(study.mean(row.name), *ends), 0)


def logged(row: Row) -> str:
    """The study's own number, its iteration in brackets; then those at other iterations."""
    return "; ".join(f"{miou:.2f} ({step})" for step, miou in row.logged.items()) or NONE


def training_time(row: Row) -> str:
    """Mean over the seeds of the time of training, validation apart."""
    seconds = _reported(row, "seconds")
    return NONE if seconds is None else duration(seconds.mean)


def memory(row: Row) -> str:
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


def labels_opened(row: Row) -> str | Cell:
    """How many label files of the target's training images the trainings opened.

    Where a row trains on one domain alone, what that is: its labels are opened.
    """
    reports = [run.report for run in row.runs if run.report]
    if not reports:
        return NONE
    if not any(report.get("target_domain") for report in reports):
        return Cell(one_domain(row), FAINT)
    counts = [report.get("target_train_labels_opened") for report in reports]
    known = [count for count in counts if count is not None]
    opened = str(max(known)) if len(known) == len(counts) else "not known"
    starts = dict.fromkeys(report.get(START_SAW, 0) for report in reports)
    said = [opened, *(f"initial weights {saw(number)}" for number in starts if number != 0)]
    return Cell("; ".join(said), BAD) if said != ["0"] else "0"


def one_domain(row: Row) -> str:
    """What a row that has no target domain trained on: "one domain: 300 labels of Cityscapes".

    By the lists of training images; without them as the study says.
    """
    told = ", or ".join(dict.fromkeys(filter(None, map(_labels_read, row.runs))))
    told = told or (f"labels of {row.said('data')}" if row.said("data") else "")
    if not told:
        return "no target domain in training"
    pseudo = any(run.report.get("pseudo_labels") for run in row.runs)
    return f"one domain: {told}" + (", pseudo-labels among them" if pseudo else "")


def _labels_read(run: Run) -> str:
    """By the headings of its list of images: "# Cityscapes at FOLDER: 50 of 300 images"."""
    path = run.path / "train_images.txt"
    lines = read_lines(path) if path.is_file() else []
    found = [match for line in lines if (match := LISTED.match(line))]
    return " + ".join(f"{match['count']} labels of {match['name']}" for match in found)


def pseudo_labels(row: Row) -> str:
    """What kind of training on pseudo-labels it was, by the protocol cards."""
    if not row.cards:
        return NONE
    facts = (each for card in row.cards.values() for each in card.pseudo_labels)
    return "; ".join(dict.fromkeys(map(kind_of_training, facts))) or "none"


def duration(seconds: float) -> str:
    """For a reader: "95 s", "12 min", "3 h 05 min"."""
    if seconds < 600:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def number(value: float | None, digits: int = 2) -> str:
    """The number, "-" for none."""
    return NONE if value is None else f"{value:.{digits}f}"


def _miou(row: Row) -> str:
    return NONE if row.miou is None else str(row.miou)


def _by_seed(row: Row) -> str:
    return ", ".join(f"{value:.1f}" for value in row.by_seed.values()) or NONE


def _iterations(row: Row) -> str:
    steps: Iterable[int | None] = (card.iteration for card in row.cards.values())
    return ", ".join(dict.fromkeys(str(step) for step in steps if step is not None)) or NONE


def _reported(row: Row, key: str) -> Spread | None:
    return spread([run.report[key] for run in row.runs if run.report.get(key) is not None])
