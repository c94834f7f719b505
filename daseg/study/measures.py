"""Statistics: mean and spread, the share of a gap that is closed, rank correlation."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEWEST = 3  # points of a rank correlation; of two it is always 1 or -1


@dataclass(frozen=True)
class Spread:
    """Values of several seeds.

    Attributes:
        mean: Their mean.
        std: Standard deviation of the sample (divided by n - 1); None for a single value.
        n: How many there are.
    """

    mean: float
    std: float | None
    n: int

    def __str__(self) -> str:
        std = "" if self.std is None else f" ± {self.std:.2f}"
        return f"{self.mean:.2f}{std} ({self.n})"


def spread(values: Sequence[float]) -> Spread | None:
    """Mean and standard deviation; None without values."""
    if not values:
        return None
    std = statistics.stdev(values) if len(values) > 1 else None
    return Spread(statistics.fmean(values), std, len(values))


def paired_p(differences: Sequence[float]) -> float | None:
    """The p-value of a paired t-test, two-sided: how likely so large a mean is by chance.

    Args:
        differences: One for each seed, between two rows.

    Returns:
        0..1; None for fewer than two, and where all are equal.
    """
    found = spread(differences)
    if found is None or not found.std:
        return None
    freedom = found.n - 1
    t = abs(found.mean) / (found.std / math.sqrt(found.n))
    # Abramowitz and Stegun, "Handbook of Mathematical Functions", 1964, 26.7.3 and 26.7.4: t is an
    # angle, and the probability of a smaller one a sum of powers of its cosine.
    angle = math.atan2(t, math.sqrt(freedom))
    odd = freedom % 2
    term, total = (math.cos(angle) if odd else 1.0), 0.0
    for k in range(1 + odd, freedom, 2):
        total += term
        term *= math.cos(angle) ** 2 * k / (k + 1)
    within = math.sin(angle) * total
    return 1 - (2 / math.pi * (angle + within) if odd else within)


def gap_closed(value: float | None, baseline: float | None, oracle: float | None) -> float | None:
    """Percent of the way from ``baseline`` to ``oracle``; None where the two are equal."""
    if value is None or baseline is None or oracle is None or oracle <= baseline:
        return None
    return 100 * (value - baseline) / (oracle - baseline)


def ranks(values: Sequence[float]) -> np.ndarray:
    """Rank of each value, 1 for the smallest; equal ones share the mean of their ranks."""
    found = np.asarray(values, dtype=np.float64)
    below = (found[:, None] > found).sum(1)
    equal = (found[:, None] == found).sum(1)
    return below + (equal + 1) / 2


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation, -1..1: Pearson's of the ranks.

    Pairs with a value that is not a number are left out.

    Returns:
        None of fewer than three pairs, and where one side is constant.
    """
    both = zip(first, second, strict=True)
    pairs = [pair for pair in both if all(math.isfinite(value) for value in pair)]
    if len(pairs) < FEWEST:
        return None
    a, b = (ranks(side) - (len(pairs) + 1) / 2 for side in zip(*pairs, strict=True))
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / scale if scale else None
