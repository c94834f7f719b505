"""What choosing checkpoints without labels gives: correlations of the scores, and their choices."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from daseg.study.choosing import LAST, SCORES, VALIDATION, chosen_checkpoints, validations
from daseg.study.definition import Study
from daseg.study.measures import spearman, spread
from daseg.study.runs import Run

TITLES = {LAST: "last"}
TITLES |= {score: f"best by {score.replace('_', ' ')}" for score in SCORES}
TITLES |= {VALIDATION: "best on validation (peeks)"}


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


def scores(selected: Sequence[Selected]) -> list[str]:
    """The scores that have a correlation in a run."""
    return [score for score in SCORES if any(score in each.correlations for each in selected)]


def median_correlations(selected: Sequence[Selected], scores: Sequence[str]) -> list[str]:
    """For each score the median of its correlations within the runs, and the number of these."""
    cells = []
    for score in scores:
        found = [each.correlations.get(score) for each in selected]
        numbers = [value for value in found if value is not None]
        cells.append(_with_runs(statistics.median(numbers) if numbers else None, len(numbers)))
    return cells


def between_runs(selected: Sequence[Selected], scores: Sequence[str]) -> list[str]:
    """For each score Spearman's correlation with the test mIoU over the runs' last checkpoints.

    The runs belong to different rows: this is about choosing between these.
    """
    cells = []
    for score in scores:
        pairs = []
        for each in selected:
            last = validations(each.run.log).get(each.chosen.get(LAST, -1), {})
            if score in last and LAST in each.miou:
                pairs.append((last[score], each.miou[LAST]))
        cells.append(_with_runs(spearman([a for a, _ in pairs], [b for _, b in pairs]), len(pairs)))
    return cells


def with_choice(selected: Sequence[Selected], rule: str) -> list[Selected]:
    """The runs that had several checkpoints to choose from, and whose chosen one was tested."""
    return [each for each in selected if each.candidates > 1 and rule in each.miou]


def mean_miou(runs: Sequence[Selected], rule: str) -> str:
    """Mean test mIoU of what a rule chooses; with how many runs, where it is not known for all."""
    values = [each.miou[rule] for each in runs if rule in each.miou]
    mean = spread(values)
    if mean is None:
        return ""
    return f"{mean.mean:.2f}" + ("" if len(values) == len(runs) else f" (of {len(values)} runs)")


def rules(selected: Sequence[Selected]) -> dict[str, str]:
    """The rules that choose in a run, with their titles."""
    return {
        rule: title
        for rule, title in TITLES.items()
        if any(rule in each.chosen for each in selected)
    }


def choices(each: Selected, rules: Iterable[str]) -> list[str]:
    """By rule the test mIoU of what it chooses in a run, the iteration in brackets."""
    miou = {rule: f"{value:.2f}" for rule, value in each.miou.items()}
    return [
        f"{miou.get(rule, 'not tested')} ({each.chosen[rule]})" if rule in each.chosen else ""
        for rule in rules
    ]


def _with_runs(value: float | None, runs: int) -> str:
    return "" if value is None else f"{value:.2f} ({runs} run{'' if runs == 1 else 's'})"
