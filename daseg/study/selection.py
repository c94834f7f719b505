"""What choosing checkpoints without labels gives: correlations of the scores, and their choices."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from daseg.study.choosing import LAST, RULES, SCORES, VALIDATION, chosen_checkpoints, validations
from daseg.study.definition import Study
from daseg.study.measures import spearman, spread
from daseg.study.runs import Run
from daseg.study.tables import NONE, Table, number

TITLES = {LAST: "last", VALIDATION: "best on validation (peeks)"}
TITLES |= {score: f"best by {score.replace('_', ' ')}" for score in SCORES}


@dataclass(frozen=True)
class Selected:
    """What the rules chose in one run.

    Attributes:
        run: The run.
        candidates: How many checkpoints there were to choose from: the validations with a score,
            whether the checkpoint has been deleted since or not.
        correlations: Spearman's, of each score with the validation mIoU over all validations.
        chosen: Iteration by rule.
        miou: Test mIoU of the chosen checkpoint by rule, in percent, where it has been tested.
    """

    run: Run
    candidates: int
    correlations: dict[str, float | None]
    chosen: dict[str, int]
    miou: dict[str, float]


def select(study: Study) -> list[Selected]:
    """What the rules chose in each run that has been tested and has logged a label-free score."""
    found = [_selected(run) for run in study.runs if run.test is not None]
    return [each for each in found if each.candidates]


def _selected(run: Run) -> Selected:
    found = validations(run.log).values()
    both = {score: [v for v in found if {score, VALIDATION} <= set(v)] for score in SCORES}
    chosen = chosen_checkpoints(run.path)
    tests = {rule: run.test_at(step) for rule, step in chosen.items()}
    return Selected(
        run=run,
        candidates=sum(bool(SCORES.keys() & scores) for scores in found),
        correlations={
            score: spearman([v[score] for v in values], [v[VALIDATION] for v in values])
            for score, values in both.items()
            if values
        },
        chosen=chosen,
        miou={rule: test.miou for rule, test in tests.items() if test and test.miou is not None},
    )


def median_correlation(selected: Sequence[Selected], score: str) -> tuple[float | None, int]:
    """Median over the runs in which the score has a correlation, None of none; their number."""
    found = [each.correlations.get(score) for each in selected]
    numbers = [value for value in found if value is not None]
    return statistics.median(numbers) if numbers else None, len(numbers)


def between_runs(selected: Sequence[Selected], score: str) -> tuple[float | None, int]:
    """Spearman's correlation of score and test mIoU over the runs' last checkpoints, their number.

    The runs belong to different rows: this is about choosing between these.
    """
    pairs = []
    for each in selected:
        last = validations(each.run.log).get(each.chosen.get(LAST, -1), {})
        if score in last and LAST in each.miou:
            pairs.append((last[score], each.miou[LAST]))
    return spearman([a for a, _ in pairs], [b for _, b in pairs]), len(pairs)


def correlations(selected: Sequence[Selected]) -> Table:
    """The correlations of each run, their median, and those between the runs."""
    scores = [score for score in SCORES if any(score in e.correlations for e in selected)]
    lines = [
        [each.run.name, *(number(each.correlations.get(score)) for score in scores)]
        for each in selected
    ]
    lines += [
        ["median within a run", *(_over(*median_correlation(selected, s)) for s in scores)],
        [
            "between the runs: their last checkpoints, with test mIoU",
            *(_over(*between_runs(selected, score)) for score in scores),
        ],
    ]
    return Table(["run", *(score.replace("_", " ") for score in scores)], lines)


def choices(selected: Sequence[Selected]) -> Table:
    """By rule, the mean test mIoU of what it chooses, over the runs that have a choice."""
    lines, choosing = [], [each for each in selected if each.candidates > 1]
    for rule in RULES:
        runs = [each for each in choosing if rule in each.miou]
        if runs:
            means = [_mean(runs, name) for name in (rule, LAST, VALIDATION)]
            lines.append([TITLES[rule], str(len(runs)), *means])
    return Table(["rule", "runs", "test mIoU", "last", "best on validation (peeks)"], lines)


def by_run(selected: Sequence[Selected]) -> Table:
    """What each rule chooses in each run, the iteration in brackets."""
    rules = [rule for rule in RULES if any(rule in each.chosen for each in selected)]
    lines = [
        [each.run.name, str(each.candidates), *(_choice(each, rule) for rule in rules)]
        for each in selected
    ]
    return Table(["run", "checkpoints", *(TITLES[rule] for rule in rules)], lines)


def _over(value: float | None, runs: int) -> str:
    return NONE if value is None else f"{value:.2f} ({runs} run{'' if runs == 1 else 's'})"


def _mean(runs: Sequence[Selected], rule: str) -> str:
    """Over the runs; with their number, where it is not known for all."""
    values = [each.miou[rule] for each in runs if rule in each.miou]
    mean = spread(values)
    if mean is None:
        return NONE
    return f"{mean.mean:.2f}" + ("" if len(values) == len(runs) else f" (of {len(values)} runs)")


def _choice(each: Selected, rule: str) -> str:
    if rule not in each.chosen:
        return NONE
    miou = f"{each.miou[rule]:.2f}" if rule in each.miou else "not tested"
    return f"{miou} ({each.chosen[rule]})"
