"""Write a study's report, as one HTML file and as a Markdown page; or sum it up for a terminal."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from prettytable import PrettyTable

from daseg.study import facts, figures, selection
from daseg.study.claims import Finding, judge, verdict_of
from daseg.study.definition import Row, Study
from daseg.study.ranking import rank
from daseg.study.reading import read_results
from daseg.study.rendering import to_html, to_markdown
from daseg.study.runs import Run
from daseg.utils.files import atomic_write_text

PICTURES = "report"  # folder of the pictures
POINTS = 400  # of a curve in the HTML file, at most


class Picture(NamedTuple):
    """A picture file, and what it shows."""

    path: Path
    text: str
    row: str | None = None  # of a picture that shows one row


def write_report(
    root: str | Path, *, opening: Picture | None = None, next_steps: Sequence[str] = ()
) -> list[Path]:
    """Write the report of what a study's folder holds by now.

    Rows and seeds may be missing or unfinished: the report names them and shows the rest. The same
    folder gives the same report.

    Args:
        root: The folder, with ``study.json`` and ``runs/ROW/seed_S/``.
        opening: A picture below the results; it lies in the folder.
        next_steps: Commands that a reader may go on with.

    Returns:
        ``report.html``, which needs nothing beside it, and ``report.md``, whose pictures are in
        ``report/``.

    Raises:
        DataError: A file of the study cannot be read as what it should be; it is named.
        ConfigError: ``study.json`` contradicts itself, or a claim cannot be read.
    """
    root, study = Path(root), read_results(root)
    content = contents(study) | _pictures(study, root / PICTURES)
    content |= dict(opening=opening, next_steps=next_steps)
    page, text = root / "report.html", root / "report.md"
    atomic_write_text(page, to_html(content, _data(study)))
    atomic_write_text(text, to_markdown(content, root))
    return [page, text]


def summary(root: str | Path) -> str:
    """What a study has measured by now, as a table for a terminal, its claims, what is unfinished.

    Raises:
        DataError, ConfigError: As `write_report`.
    """
    study = read_results(root)
    ranking = rank(study)
    logs = facts.has_log(study)
    log_column = ["study's log"] if logs else []
    table = PrettyTable(["row", "mIoU (n)", *log_column, "gap closed (%)", "rank", "runs"])
    table.align = "r"
    table.align["row"] = "l"
    for row in study.rows.values():
        done = f"{sum(run.finished for run in row.runs)} of {len(row.runs)}"
        log = [facts.number(row.logged_miou)] if logs else []
        line = [str(row.miou or ""), *log, facts.gap(study, row), ranking.ranks.get(row.name)]
        table.add_row([row.name, *(text or "-" for text in line), done])
    claims = []
    for title, found in _findings(study).items():
        here, log_says = _verdicts(found)
        claims.append(f"{title}: {here}" + (f" (study's log: {log_says})" if logs else ""))
    refused = [f"{name} is not ranked: {reason}" for name, reason in ranking.refused.items()]
    return "\n".join([study.title, table.get_string(), *claims, *refused, *_unfinished(study)])


def contents(study: Study) -> dict[str, Any]:
    """What the template of the report shows, apart from pictures."""
    ranking, findings = rank(study), _findings(study)
    gaps = [row for row in study.rows.values() if facts.gap(study, row)]
    unlike = {row.name: ranking.unlike([row.name, row.baseline, row.oracle]) for row in gaps}
    return dict(
        opening=None,
        next_steps=(),
        study=study,
        rows=study.rows.values(),
        logs=facts.has_log(study),
        facts=facts,
        ranking=ranking,
        selection=selection,
        selected=selection.select(study),
        refused=[f"{name}: {reason}" for name, reason in ranking.refused.items()],
        unfinished=_unfinished(study),
        unlike_gaps=[f"{name}: {fields}" for name, fields in unlike.items() if fields],
        claims=[
            dict(
                title=title,
                found=found,
                verdicts=[facts.verdict(each) for each in _verdicts(found)],
                unlike=[
                    f"{each.check.text}: {fields}"
                    for each in found
                    if (fields := ranking.unlike(each.check.names))
                ],
            )
            for title, found in findings.items()
        ],
        commands={run.name: lines for run in study.runs if (lines := _commands(run))},
    )


def _findings(study: Study) -> dict[str, list[Finding]]:
    """What was found of each claim's checks, by its title."""
    by_seed = {row.name: row.by_seed for row in study.rows.values()}
    logged = {
        row.name: row.logged_miou for row in study.rows.values() if row.logged_miou is not None
    }
    return {
        claim.title: [judge(check, by_seed, logged) for check in claim.checks]
        for claim in study.claims
    }


def _verdicts(found: list[Finding]) -> tuple[str, str]:
    """On a claim, by what was measured and by the study's log."""
    return verdict_of([each.verdict for each in found]), verdict_of([each.logged for each in found])


def _unfinished(study: Study) -> list[str]:
    """How far the rows are that lack a run: "row, row: seed 1 failed; seeds 2, 3 not started"."""
    rows: dict[str, list[str]] = {}
    for row in study.rows.values():
        seeds: dict[str, list[str]] = {}
        for run in row.runs:
            if not run.finished:
                state = "done, but not tested" if run.state == "done" else run.state
                state += "" if run.test is None else " (the test that is there is shown)"
                seeds.setdefault(state, []).append(str(run.seed))
        parts = [f"seed{'s' * (len(s) > 1)} {', '.join(s)} {state}" for state, s in seeds.items()]
        if parts:
            rows.setdefault("; ".join(parts), []).append(row.name)
    return [f"{', '.join(names)}: {state}" for state, names in rows.items()]


def _pictures(study: Study, folder: Path) -> dict[str, Any]:
    """Draw the pictures of the report for which there is something to draw."""
    draw: Mapping[str, Callable[[Study, Path], bool]] = dict(
        overview=figures.draw_overview, classes=figures.draw_classes, sizes=figures.draw_sizes
    )
    paths = {name: folder / f"{name}.png" for name in draw}
    drawn = {name: path for name, path in paths.items() if draw[name](study, path)}
    return dict(pictures=drawn, curves=_curves(study, folder), panels=_panels(study, folder))


def _curves(study: Study, folder: Path) -> list[Picture]:
    """A picture for each group of rows."""
    groups: dict[str, list[Row]] = {}
    for row in study.rows.values():
        groups.setdefault(row.group, []).append(row)
    pictures = []
    for number, (group, rows) in enumerate(groups.items(), start=1):
        path = folder / f"curves_{number}.png"
        if figures.draw_curves(rows, path):
            name = group or "rows without a group"
            pictures.append(
                Picture(path, f"{name}: loss and validation mIoU, a line for each seed")
            )
    return pictures


def _panels(study: Study, folder: Path) -> list[Picture]:
    """The newest picture of each row's first seed that has one."""
    first = {
        row.name: next((run for run in row.runs if figures.newest_picture(run)), None)
        for row in study.rows.values()
    }
    runs = [run for run in first.values() if run is not None]
    pictures = []
    for number, run in enumerate(runs, start=1):
        path = folder / f"panel_{number}.jpg"
        text = f"{run.name}, iteration {figures.save_panel(run, path, len(runs))}"
        if run.report.get("target_domain") is False:
            text += f" ({facts.one_domain(study.rows[run.row])})"
        pictures.append(Picture(path, text, run.row))
    return pictures


def _data(study: Study) -> dict[str, Any]:
    """What a browser needs: the group of each row, and the curves of each run."""
    curves = [
        dict(
            row=run.row,
            seed=run.seed,
            loss=figures.curve(run, figures.LOSS, figures.SMOOTH, most=POINTS),
            mIoU=figures.curve(run, "mIoU", most=POINTS),
        )
        for run in study.runs
    ]
    return dict(groups={row.name: row.group for row in study.rows.values()}, curves=curves)


def _commands(run: Run) -> list[str]:
    """The commands that made a run; where they are not recorded, that of its test."""
    commands = run.record.get("commands") or []
    if not commands and run.test is not None:
        commands = [run.test.card.command]
    return [each if isinstance(each, str) else shlex.join(each) for each in commands]
