"""Choosing a checkpoint: without labels, on validation, or the last; and what each choice gives."""

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from daseg.study.collect import Run, Study, read_test
from daseg.study.measures import spearman
from daseg.utils.errors import DataError
from daseg.visualization.curves import read_records

# Labels are not needed for these; 1: larger is better, -1: smaller is.
SCORES = {"entropy": -1, "information": 1, "flip_agreement": 1, "teacher_agreement": 1}
LAST, VALIDATION = "last", "validation"
RULES = (LAST, *SCORES, VALIDATION)
SAVED = re.compile(r"iter_(\d+)\.pth|test_iter_(\d+)")

Validation = dict[str, float]  # by rule, oriented so that larger is better
Validations = dict[int, Validation]  # by iteration


@dataclass(frozen=True)
class Selected:
    """What the rules chose in one run.

    Attributes:
        run: It.
        candidates: How many checkpoints there were to choose from: the validations with a score,
            whether the checkpoint has been deleted since or not.
        correlations: Spearman's, of each score with the validation mIoU over all validations.
        chosen: Iteration by rule.
        miou: Test mIoU of the chosen, by rule, in percent; of those that have been tested.
    """

    run: Run
    candidates: int
    correlations: dict[str, float | None]
    chosen: dict[str, int]
    miou: dict[str, float]

    @property
    def has_choice(self) -> bool:
        """Whether there was more than one checkpoint to choose from."""
        return self.candidates > 1


def chosen_checkpoints(run_dir: str | Path, *, saved: bool = True) -> dict[str, int]:
    """Which checkpoint of a training each rule chooses; the later one of equal ones.

    - "last": the last one.
    - "entropy", "information", "flip_agreement", "teacher_agreement": the best score of
      `daseg.evaluation.LabelFreeScores`; the lowest entropy, the highest of the others.
    - "validation": the highest mIoU on the validation's labels, which an unsupervised adaptation
      has none of.

    Args:
        run_dir: A work dir of ``tools/train.py``.
        saved: Choose only among iterations whose ``iter_N.pth`` is there, or has been tested (a
            ``test_iter_N``, or the one in ``test``). Else among all validations.

    Returns:
        The iteration by rule; without rules of which nothing is logged.

    Raises:
        DataError: The log, or a test, cannot be read.
    """
    run_dir = Path(run_dir)
    logged = any(run_dir.glob("*/vis_data/scalars.json"))
    found = validations(read_records(run_dir)) if logged else {}
    kept = _saved(run_dir) if saved else set(found)
    return _choose({step: scores for step, scores in found.items() if step in kept}, kept)


def validations(records: Sequence[Mapping[str, float]]) -> Validations:
    """The scores of each validation in a log; those that are not a number are left out."""
    keys = {VALIDATION: ("mIoU", 1)}
    keys |= {name: (f"labelfree_{name}", sign) for name, sign in SCORES.items()}
    found: Validations = {}
    for record in records:
        for rule, (key, sign) in keys.items():
            value = record.get(key)
            if isinstance(value, (int, float)) and math.isfinite(value):
                found.setdefault(int(record["step"]), {})[rule] = sign * float(value)
    return found


def select(study: Study) -> list[Selected]:
    """What the rules chose in each run that has been tested and has logged a label-free score."""
    return [_selected(run) for run in study.runs if run.test is not None and _has_scores(run)]


def median_correlation(selected: Sequence[Selected], score: str) -> tuple[float | None, int]:
    """Median over the runs in which the score has a correlation, None of none; their number."""
    found = [each.correlations.get(score) for each in selected]
    numbers = [value for value in found if value is not None]
    return statistics.median(numbers) if numbers else None, len(numbers)


def between_runs(selected: Sequence[Selected], score: str) -> tuple[float | None, int]:
    """Spearman's correlation of score and test mIoU over the runs' last checkpoints, their number.

    Runs are of different rows; so this is about choosing between them.
    """
    pairs = []
    for each in selected:
        last = validations(each.run.records).get(each.chosen.get(LAST, -1), {})
        if score in last and LAST in each.miou:
            pairs.append((last[score], each.miou[LAST]))
    return spearman([a for a, _ in pairs], [b for _, b in pairs]), len(pairs)


def _selected(run: Run) -> Selected:
    found, chosen = validations(run.records), chosen_checkpoints(run.path)
    tested = {rule: run.test_at(step) for rule, step in chosen.items()}
    both = {score: [v for v in found.values() if {score, VALIDATION} <= set(v)] for score in SCORES}
    return Selected(
        run=run,
        candidates=sum(map(_is_scored, found.values())),
        correlations={
            score: spearman([v[score] for v in values], [v[VALIDATION] for v in values])
            for score, values in both.items()
            if values
        },
        chosen=chosen,
        miou={
            rule: test.miou
            for rule, test in tested.items()
            if test is not None and test.miou is not None
        },
    )


def _has_scores(run: Run) -> bool:
    return any(map(_is_scored, validations(run.records).values()))


def _is_scored(scores: Validation) -> bool:
    """Whether there is a score without labels."""
    return bool(SCORES.keys() & scores)


def _choose(found: Validations, kept: set[int]) -> dict[str, int]:
    chosen = {LAST: max(kept)} if kept else {}
    for rule in (*SCORES, VALIDATION):
        scored = [(scores[rule], step) for step, scores in found.items() if rule in scores]
        if scored:
            chosen[rule] = max(scored)[1]
    return chosen


def _saved(run_dir: Path) -> set[int]:
    """Iterations whose checkpoint is there, or has been tested and may be gone by now."""
    if not run_dir.is_dir():
        raise DataError(f"{run_dir} is not the folder of a training")
    matches = [SAVED.fullmatch(path.name) for path in run_dir.iterdir()]
    found = {int(match[1] or match[2]) for match in matches if match}
    last = read_test(run_dir / "test")
    return found | ({last.card.iteration} if last and last.card.iteration is not None else set())
