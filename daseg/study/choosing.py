"""Which checkpoint of a training to take: the last, the best by a score, the best on validation."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from daseg.study.runs import read_test
from daseg.utils.errors import DataError
from daseg.visualization.curves import read_records

# Labels are not needed for these; 1: larger is better, -1: smaller is.
SCORES = {"entropy": -1, "information": 1, "flip_agreement": 1, "teacher_agreement": 1}
LAST, VALIDATION = "last", "validation"
RULES = (LAST, *SCORES, VALIDATION)
SAVED = re.compile(r"iter_(\d+)\.pth|test_iter_(\d+)")

Validations = dict[int, dict[str, float]]  # by iteration, by rule; the larger the better


def chosen_checkpoints(run_dir: str | Path, *, saved: bool = True) -> dict[str, int]:
    """Which checkpoint of a training each rule chooses; the later one of equal ones.

    - "last": the last one.
    - "entropy", "information", "flip_agreement", "teacher_agreement": the best score of
      `daseg.evaluation.LabelFreeScores`; the lowest entropy, the highest of the others.
    - "validation": the highest mIoU on the validation's labels, which an unsupervised adaptation
      does not have.

    Args:
        run_dir: A work dir of ``daseg train``.
        saved: Choose only among iterations whose ``iter_N.pth`` is there, or has been tested (a
            ``test_iter_N``, or the one in ``test``). Else among all validations.

    Returns:
        The iteration by rule; without rules whose score is not logged.

    Raises:
        DataError: The log, or a test, cannot be read.
    """
    run_dir = Path(run_dir)
    logged = any(run_dir.glob("*/vis_data/scalars.json"))
    found = validations(read_records(run_dir)) if logged else {}
    kept = _saved(run_dir) if saved else set(found)
    chosen = {LAST: max(kept)} if kept else {}
    for rule in (*SCORES, VALIDATION):
        scored = [(v[rule], step) for step, v in found.items() if rule in v and step in kept]
        if scored:
            chosen[rule] = max(scored)[1]
    return chosen


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


def _saved(run_dir: Path) -> set[int]:
    """Iterations whose checkpoint is there, or has been tested and may be gone by now."""
    if not run_dir.is_dir():
        raise DataError(f"{run_dir} is not the folder of a training")
    matches = [SAVED.fullmatch(path.name) for path in run_dir.iterdir()]
    found = {int(match[1] or match[2]) for match in matches if match}
    last = read_test(run_dir / "test")
    return found | ({last.card.iteration} if last and last.card.iteration is not None else set())
