"""Facts about a row for the report: its numbers, its cost, the labels that it has read."""

import re
from collections.abc import Iterable, Mapping

from daseg.study.claims import FAILS, HOLDS
from daseg.study.definition import Row, Study
from daseg.study.measures import gap_closed, spread
from daseg.study.runs import Run, read_lines
from daseg.utils.progress import duration
from daseg.utils.pseudo_labels import CHOSEN, START_SAW, counted, kind_of_training, saw

GOOD, BAD, OPEN, FAINT = "good", "bad", "open", "faint"
LISTED = re.compile(r"# (?P<name>\w+) at .*: (?P<count>\d+) of \d+ images")


class Colored(str):
    """A text that stands out in a table: in the colour `GOOD`, `BAD`, `OPEN` or `FAINT`."""

    color: str

    def __new__(cls, text: str, color: str) -> "Colored":
        """The text in its colour."""
        cell = super().__new__(cls, text)
        cell.color = color
        return cell


def number(value: float | None, digits: int = 2) -> str:
    """The number; "" for none."""
    return "" if value is None else f"{value:.{digits}f}"


def numbers(
    values: Mapping[str, float | None], names: Iterable[str], color: str = "", digits: int = 1
) -> list[str]:
    """The numbers of these names, in a colour."""
    return [Colored(number(values.get(name), digits) or "-", color) for name in names]


def pair(sides: tuple[float, float] | None) -> str:
    """Both sides of a comparison: "24.20 : 22.84"."""
    return "" if sides is None else f"{sides[0]:.2f} : {sides[1]:.2f}"


def verdict(text: str) -> Colored:
    """A verdict in its colour."""
    return Colored(text, {HOLDS: GOOD, FAILS: BAD}.get(text, OPEN))


def class_names(study: Study) -> list[str]:
    """All classes that a row was evaluated on; before any was, those of the study's log."""
    measured = (name for row in study.rows.values() for name in row.class_iou())
    log = (name for row in study.rows.values() for name in row.classes_logged)
    return list(dict.fromkeys(measured)) or list(dict.fromkeys(log))


def gap(study: Study, row: Row) -> str:
    """Percent of the gap from its baseline to its oracle that a row closes, from the means."""
    ends = study.mean(row.baseline), study.mean(row.oracle)
    return number(gap_closed(study.mean(row.name), *ends), 0)


def has_log(study: Study) -> bool:
    """Whether an earlier study's number is stated for any row; else nothing is said of a log."""
    return any(row.logged for row in study.rows.values())


def logged(row: Row) -> str:
    """The study's own number, its iteration in brackets; then those at other iterations."""
    return "; ".join(f"{miou:.2f} ({step})" for step, miou in row.logged.items())


def iterations(row: Row) -> str:
    """How long its seeds were trained."""
    steps = (card.iteration for card in row.cards.values())
    return ", ".join(dict.fromkeys(str(step) for step in steps if step is not None))


def training_time(row: Row) -> str:
    """Mean over the seeds of the time of training, without validation."""
    reported = [run.report.get("seconds") for run in row.runs]
    seconds = spread([each for each in reported if each is not None])
    return "" if seconds is None else duration(seconds.mean)


def memory(row: Row) -> str:
    """The largest peak of the seeds."""
    peaks = [
        (run.report["peak_memory_mib"], run.report.get("peak_memory_of"))
        for run in row.runs
        if run.report.get("peak_memory_mib")
    ]
    most, of = max(peaks, default=(None, None))
    return "" if most is None else f"{most:.0f} MiB{' of the GPU' if of == 'cuda' else ''}"


def labels_opened(row: Row) -> str:
    """How many label files of the target's training images the trainings opened.

    Where a row trains on one domain alone, what that is: its labels are opened.
    """
    reports = [run.report for run in row.runs if run.report]
    if not reports:
        return ""
    if not any(report.get("target_domain") for report in reports):
        return Colored(one_domain(row), FAINT)
    counts = [report.get("target_train_labels_opened") for report in reports]
    known = [count for count in counts if count is not None]
    opened = str(max(known)) if len(known) == len(counts) else "not known"
    starts = dict.fromkeys(report.get(START_SAW, 0) for report in reports)
    chosen = max(report.get(CHOSEN, 0) for report in reports)
    opened += f"; {counted(chosen)} used by choice" if chosen else ""
    parts = [opened, *(f"initial weights {saw(labels)}" for labels in starts if labels != 0)]
    return Colored("; ".join(parts), BAD) if parts != ["0"] else "0"


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


def _labels_read(run: Run) -> str:
    """By the headings of its list of images: "# Cityscapes at FOLDER: 50 of 300 images"."""
    path = run.path / "train_images.txt"
    lines = read_lines(path) if path.is_file() else []
    found = [match for line in lines if (match := LISTED.match(line))]
    return " + ".join(f"{match['count']} labels of {match['name']}" for match in found)


def pseudo_labels(row: Row) -> str:
    """What kind of training on pseudo-labels it was, by the protocol cards."""
    facts = (each for card in row.cards.values() for each in card.pseudo_labels)
    return "; ".join(dict.fromkeys(map(kind_of_training, facts))) or ("none" if row.cards else "")


def target_images(row: Row) -> str:
    """Number of training images of the target, or of the only domain, by the lists of its seeds."""
    counts = {run.target_images for run in row.runs if run.target_images is not None}
    return ", ".join(map(str, sorted(counts)))
