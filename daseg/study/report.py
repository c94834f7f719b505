"""Write a study's report, as one HTML file and as a Markdown page; or sum it up for a terminal."""

from pathlib import Path

from prettytable import PrettyTable

from daseg.study import figures, tables
from daseg.study.collect import Row, Run, Study, read_results
from daseg.study.document import Block, Document, Heading, Picture, Text
from daseg.study.html import to_html
from daseg.study.markdown import to_markdown
from daseg.study.ranking import rank
from daseg.study.sections import (
    HOW_TO_READ,
    appendix,
    claims_section,
    find,
    opening,
    ranking_section,
    unfinished,
    verdicts,
)
from daseg.study.selection import select
from daseg.study.selection_section import selection_section
from daseg.utils.files import atomic_write_text

PICTURES = "report"  # folder of the pictures


def write_report(root: str | Path) -> list[Path]:
    """Write the report of what a study's folder holds by now.

    Rows and seeds may be missing or unfinished: the report names them and shows the rest. The same
    folder gives the same report.

    Args:
        root: The folder, with ``study.json`` and ``runs/ROW/seed_S/``.

    Returns:
        ``report.html``, which needs nothing beside it, and ``report.md``, whose pictures are in
        ``report/``.

    Raises:
        DataError: A file of the study cannot be read as what it should be; it is named.
        ConfigError: ``study.json`` contradicts itself, or a claim cannot be read.
    """
    study = read_results(root)
    document = build(study)
    page, text = study.root / "report.html", study.root / "report.md"
    atomic_write_text(page, to_html(document))
    atomic_write_text(text, to_markdown(document, study.root))
    return [page, text]


def build(study: Study) -> Document:
    """The report; draws its pictures."""
    ranking = rank(study)
    blocks = [
        *opening(study),
        Heading("Results"),
        Text(HOW_TO_READ),
        tables.results(study, ranking),
        *_pictures(study, "overview", "Each row's mean and seeds, and the study's own number"),
        Heading("What the rows are", 3),
        tables.descriptions(study, ranking),
        *ranking_section(study, ranking),
        *claims_section(find(study), ranking),
        *_sizes(study),
        *_classes(study),
        *_curves(study),
        *selection_section(select(study)),
        *_panels(study),
        *appendix(study),
    ]
    return Document(study.spec["title"], blocks)


def summary(root: str | Path) -> str:
    """What a study has measured by now, as a table for a terminal, its claims, what is unfinished.

    Raises:
        DataError, ConfigError: As `write_report`.
    """
    study = read_results(root)
    ranking = rank(study)
    table = PrettyTable(["row", "mIoU (n)", "study's log", "gap closed (%)", "rank", "runs"])
    table.align = "r"
    table.align["row"] = "l"
    for row in study.rows.values():
        mean = tables.NONE if row.miou is None else str(row.miou)
        done = f"{sum(run.finished for run in row.runs)} of {len(row.runs)}"
        told_miou, rank_text = tables.number(row.logged_miou), ranking.ranks.get(row.name, "-")
        table.add_row([row.name, mean, told_miou, tables.gap(study, row), rank_text, done])
    judged = {title: verdicts(found) for title, found in find(study).items()}
    claims = [f"{title}: {here} (study's log: {log})" for title, (here, log) in judged.items()]
    refused = [f"{name} is not ranked: {reason}" for name, reason in ranking.refused.items()]
    lines = [study.spec["title"], table.get_string(), *claims, *refused]
    return "\n".join([*lines, *unfinished(study)])


def _pictures(study: Study, name: str, text: str) -> list[Block]:
    """A drawing of the whole study, where there is something to draw."""
    draw = {
        "overview": figures.draw_overview,
        "classes": figures.draw_classes,
        "sizes": figures.draw_sizes,
    }[name]
    path = study.root / PICTURES / f"{name}.png"
    return [Picture(path, text)] if draw(study, path) else []


def _sizes(study: Study) -> list[Block]:
    found = _pictures(study, "sizes", "mIoU over the number of target images in training")
    return [Heading("How many target images"), *found, tables.sizes(study)] if found else []


def _classes(study: Study) -> list[Block]:
    table = tables.class_ious(study)
    if not table.rows:
        return []
    picture = _pictures(study, "classes", "IoU by class in percent, mean over the seeds")
    return [Heading("IoU by class"), *picture, table]


def _curves(study: Study) -> list[Block]:
    """A picture for each group of rows."""
    groups: dict[str, list[Row]] = {}
    for row in study.rows.values():
        groups.setdefault(row.said("group"), []).append(row)
    blocks: list[Block] = []
    for number, (group, rows) in enumerate(groups.items(), start=1):
        path = study.root / PICTURES / f"curves_{number}.png"
        if figures.draw_curves(rows, path):
            name = group or "rows without a group"
            blocks.append(Picture(path, f"{name}: loss and validation mIoU, a line for each seed"))
    return [Heading("Curves"), *blocks] if blocks else []


def _panels(study: Study) -> list[Block]:
    """The newest picture of each row's first seed that has one."""
    first = [
        next((run for run in row.runs if figures.newest_picture(run)), None)
        for row in study.rows.values()
    ]
    runs = [run for run in first if run is not None]
    blocks: list[Block] = []
    for number, run in enumerate(runs, start=1):
        path = study.root / PICTURES / f"panel_{number}.jpg"
        iteration = figures.save_panel(run, path, len(runs))
        blocks.append(Picture(path, f"{run.name}, iteration {iteration}{_only_domain(study, run)}"))
    return [Heading("Pictures"), *blocks] if blocks else []


def _only_domain(study: Study, run: Run) -> str:
    """What a picture of a run without a target shows, which the picture itself does not say."""
    has_one = run.report.get("target_domain") is False
    return f" ({tables.one_domain(study.rows[run.row])})" if has_one else ""
