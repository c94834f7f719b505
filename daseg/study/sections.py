"""The sections of a report that say more than one table."""

import shlex
from collections.abc import Sequence

from daseg.study import tables
from daseg.study.claims import FAILS, HOLDS, Finding, judge, parse_check, verdict_of
from daseg.study.collect import Run, Study
from daseg.study.document import (
    BAD,
    GOOD,
    OPEN,
    Block,
    Cell,
    Folded,
    Heading,
    Items,
    Table,
    Text,
)
from daseg.study.ranking import Ranking

Findings = dict[str, list[Finding]]  # by the title of the claim

HOW_TO_READ = (
    "mIoU is that of the last checkpoint on the test images, in percent: mean over the seeds ± "
    "standard deviation (of the sample, n - 1), the number of seeds in brackets. The study's log "
    "has single runs, each read at the iteration in brackets. Gap closed is the way from the row's "
    "source-only model to its supervised one. Training is the mean over the seeds, without "
    "validation; memory the largest peak of the process, or of the GPU where it says so."
)
HOW_TO_RANK = (
    "Only rows whose protocol cards agree are ranked against each other: each letter is a group of "
    "them. ≈ says that the distance to the row before is within the larger spread of the two, or "
    "that a spread is not known. A row that started from another row's checkpoint has had that "
    "row's training before its own, and is ranked apart from those that have not."
)
HOW_TO_JUDGE = (
    "Each check is computed of the rows' means over the seeds that all of them have. It is "
    "undecided where both sides are closer together than the standard deviation of their distance "
    "over these seeds, or where there is one seed. One check that does not hold refutes its claim."
)


def find(study: Study) -> Findings:
    """Judge all claims."""
    by_seed = {row.name: row.by_seed for row in study.rows.values()}
    logged = {
        row.name: row.logged_miou for row in study.rows.values() if row.logged_miou is not None
    }
    return {
        claim["title"]: [
            judge(parse_check(text, by_seed, claim["title"]), by_seed, logged)
            for text in claim["checks"]
        ]
        for claim in study.spec.get("claims") or ()
    }


def opening(study: Study) -> list[Block]:
    """What the study is, how far it is, and what is missing."""
    done, seeds = sum(run.finished for run in study.runs), ", ".join(map(str, study.spec["seeds"]))
    where = "on the real data" if study.spec["world"] == "real" else "in the small world "
    where += "" if study.spec["world"] == "real" else repr(study.spec["world"])
    blocks: list[Block] = [
        Text(
            f"{len(study.rows)} rows, seeds {seeds}, {where}. "
            f"{done} of {len(study.runs)} runs are done and tested."
        )
    ]
    missing = unfinished(study)
    if missing:
        blocks += [Heading("Unfinished runs", 3), Items(missing)]
    return blocks


def unfinished(study: Study) -> list[str]:
    """How far the rows are that lack a run: "row, row: seed 1 failed; seeds 2, 3 not started"."""
    rows: dict[str, list[str]] = {}
    for row in study.rows.values():
        seeds: dict[str, list[str]] = {}
        for run in row.runs:
            if not run.finished:
                seeds.setdefault(_state(run), []).append(str(run.seed))
        parts = [f"seed{'s' * (len(s) > 1)} {', '.join(s)} {state}" for state, s in seeds.items()]
        if parts:
            rows.setdefault("; ".join(parts), []).append(row.name)
    return [f"{', '.join(names)}: {state}" for state, names in rows.items()]


def _state(run: Run) -> str:
    """Of a run that is not finished."""
    state = "done, but not tested" if run.state == "done" else run.state
    return state if run.test is None else f"{state} (the test that is there is shown)"


def ranking_section(study: Study, ranking: Ranking) -> list[Block]:
    """What was ranked against what, and why the rest was not."""
    blocks: list[Block] = [Heading("What may be ranked"), Text(HOW_TO_RANK)]
    if ranking.groups:
        lines = [
            [group.name, ", ".join(row.name for row in group.rows)] for group in ranking.groups
        ]
        blocks.append(Table(["group", "rows, best first"], lines))
    if len(ranking.groups) > 1:
        names = [group.name for group in ranking.groups]
        blocks += [
            Text("The groups were measured differently in these points:"),
            Table(["differs in", *names], ranking.separations()),
        ]
    if ranking.refused:
        blocks += [
            Text("Not ranked, since the protocol cards of the row's own seeds disagree:"),
            Items([f"{name}: {reason}" for name, reason in ranking.refused.items()]),
        ]
    unlike = _unlike_gaps(study, ranking)
    return [*blocks, *unlike]


def _unlike_gaps(study: Study, ranking: Ranking) -> list[Block]:
    """The gaps that were closed between rows which were not measured alike."""
    found = []
    for row in study.rows.values():
        fields = ranking.unlike([row.name, row.spec.get("baseline"), row.spec.get("oracle")])
        if fields and tables.gap(study, row) != tables.NONE:
            found.append(f"{row.name}: {', '.join(fields)}")
    if not found:
        return []
    return [Text("Gaps closed between rows that were not measured alike:"), Items(found)]


def claims_section(findings: Findings, ranking: Ranking) -> list[Block]:
    """A table of each claim's checks, measured and in the study's log."""
    if not findings:
        return []
    summary: list[list[str | Cell]] = [
        [title, *map(verdict_cell, verdicts(found))] for title, found in findings.items()
    ]
    blocks: list[Block] = [
        Heading("Claims"),
        Table(["claim", "measured here", "by the study's log"], summary),
        Text(HOW_TO_JUDGE),
    ]
    columns = ["check", "verdict", "both sides", "holds in seeds", "std of their distance"]
    columns += ["by the study's log", "both sides in the log"]
    for title, found in findings.items():
        blocks += [Heading(title, 3), Table(columns, [_line(each) for each in found])]
        unlike = {each.check.text: ranking.unlike(each.check.names) for each in found}
        notes = [f"{text}: {', '.join(fields)}" for text, fields in unlike.items() if fields]
        if notes:
            blocks += [Text("Rows that were not measured alike, and in what:"), Items(notes)]
    return blocks


def verdicts(found: Sequence[Finding]) -> tuple[str, str]:
    """On a claim, by what was measured and by the study's log."""
    return verdict_of([each.verdict for each in found]), verdict_of([each.logged for each in found])


def _line(finding: Finding) -> list[str | Cell]:
    held = f"{finding.held} of {finding.seeds}" if finding.seeds else tables.NONE
    return [
        finding.check.text,
        verdict_cell(finding.verdict),
        _sides(finding.means),
        held,
        tables.number(finding.std),
        verdict_cell(finding.logged),
        _sides(finding.logged_sides),
    ]


def verdict_cell(verdict: str) -> Cell:
    """A verdict in its colour."""
    return Cell(verdict, {HOLDS: GOOD, FAILS: BAD}.get(verdict, OPEN))


def _sides(sides: tuple[float, float] | None) -> str:
    """The numbers on both sides, in the order in which they are compared: "24.20 : 22.84"."""
    return tables.NONE if sides is None else f"{sides[0]:.2f} : {sides[1]:.2f}"


def appendix(study: Study) -> list[Block]:
    """Every run's protocol card and commands."""
    tested = [run for run in study.runs if run.test is not None]
    blocks: list[Block] = [Heading("Protocol cards")] if tested else []
    for run in tested:
        assert run.test is not None
        path = run.test.folder / "protocol_card.txt"
        title = f"{run.name}: {tables.number(run.miou)}"
        blocks.append(Folded(title, run.test.card.lines(), path if path.is_file() else None))
    commands = [Folded(run.name, lines) for run in study.runs if (lines := _commands(run))]
    return [*blocks, Heading("Commands"), *commands] if commands else blocks


def _commands(run: Run) -> Sequence[str]:
    """The commands that made a run; where they are not recorded, that of its test."""
    said = run.job.get("commands") or []
    if not said and run.test is not None:
        said = [run.test.card.command]
    return [each if isinstance(each, str) else shlex.join(map(str, each)) for each in said]
