"""The section on choosing checkpoints without labels."""

from collections.abc import Sequence

from daseg.study.document import Block, Heading, Table, Text
from daseg.study.measures import spread
from daseg.study.selection import (
    LAST,
    RULES,
    SCORES,
    VALIDATION,
    Selected,
    between_runs,
    median_correlation,
)
from daseg.study.tables import NONE, number

TITLES = {LAST: "last", VALIDATION: "best on validation (peeks)"}
TITLES |= {score: f"best by {score.replace('_', ' ')}" for score in SCORES}
HOW_TO_READ = (
    "Of a true target there are no labels to choose a checkpoint with. These scores need none. "
    "Spearman's rank correlation of a score with the validation mIoU, over the checkpoints of one "
    "run: 1 where the score puts them in the same order (a low entropy counts as a good one), 0 "
    "where it says nothing, -1 where it is the reverse."
)
OF_CHOICES = (
    "Test mIoU of the checkpoint that each rule chooses, mean over the runs that had several to "
    "choose from and in which the chosen one was tested, beside what the last checkpoint, and the "
    "best on validation, give in the same runs. The best on validation peeks: it needs the "
    "target's labels, and is what no rule without them is expected to beat."
)


def selection_section(selected: Sequence[Selected]) -> list[Block]:
    """How well the scores order checkpoints, and what choosing by them gives."""
    if not selected:
        return []
    return [
        Heading("Choosing a checkpoint without labels"),
        Text(HOW_TO_READ),
        _correlations(selected),
        Text(OF_CHOICES),
        *_choices(selected),
        Text("The same for each run, with the chosen iteration in brackets:"),
        _by_run(selected),
    ]


def _correlations(selected: Sequence[Selected]) -> Table:
    scores = [score for score in SCORES if any(score in e.correlations for e in selected)]
    lines = [
        [each.run.name, *(number(each.correlations.get(score)) for score in scores)]
        for each in selected
    ]
    medians = ["median within a run"]
    between = ["between the runs: their last checkpoints, with test mIoU"]
    for score in scores:
        medians.append(_over_runs(*median_correlation(selected, score)))
        between.append(_over_runs(*between_runs(selected, score)))
    return Table(
        ["run", *(score.replace("_", " ") for score in scores)], [*lines, medians, between]
    )


def _over_runs(value: float | None, runs: int) -> str:
    return NONE if value is None else f"{value:.2f} ({runs} run{'' if runs == 1 else 's'})"


def _choices(selected: Sequence[Selected]) -> list[Block]:
    """The means, and how many runs are not in them."""
    lines, choosing = [], [each for each in selected if each.has_choice]
    for rule in RULES:
        runs = [each for each in choosing if rule in each.miou]
        if runs:
            means = [_mean(runs, name) for name in (rule, LAST, VALIDATION)]
            lines.append([TITLES[rule], str(len(runs)), *means])
    table = Table(["rule", "runs", "test mIoU", "last", "best on validation (peeks)"], lines)
    without = [each.run.name for each in selected if not each.has_choice]
    if not without:
        return [table]
    counted = f"{len(without)} run{'' if len(without) == 1 else 's'}"
    told = f"Not in the means: {counted} with a single checkpoint, so without a choice"
    return [table, Text(f"{told} ({'; '.join(without)}).")]


def _mean(runs: Sequence[Selected], rule: str) -> str:
    """Over runs; with how many, where it is not known of all."""
    values = [each.miou[rule] for each in runs if rule in each.miou]
    mean = spread(values)
    if mean is None:
        return NONE
    return f"{mean.mean:.2f}" + ("" if len(values) == len(runs) else f" (of {len(values)} runs)")


def _by_run(selected: Sequence[Selected]) -> Table:
    rules = [rule for rule in RULES if any(rule in each.chosen for each in selected)]
    lines = [
        [each.run.name, str(each.candidates), *(_choice(each, rule) for rule in rules)]
        for each in selected
    ]
    return Table(["run", "checkpoints", *(TITLES[rule] for rule in rules)], lines)


def _choice(each: Selected, rule: str) -> str:
    if rule not in each.chosen:
        return NONE
    miou = f"{each.miou[rule]:.2f}" if rule in each.miou else "not tested"
    return f"{miou} ({each.chosen[rule]})"
