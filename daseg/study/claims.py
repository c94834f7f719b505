"""Claims of a study: comparisons of rows, and what the seeds say to them."""

import ast
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daseg.study.measures import spread
from daseg.utils.errors import ConfigError

Values = Mapping[str, float]  # mIoU by the name of the row
Formula = Callable[[Values], float]

HOLDS, FAILS = "holds", "does not hold"
WITHIN, ONE_SEED = "undecided (within the spread)", "undecided (one seed)"
UNMEASURED, UNLOGGED = "not measured", "not logged"
LANGUAGE = "one comparison (<, <=, >, >=) of names of rows, numbers, +, - and abs()"


@dataclass(frozen=True)
class Check:
    """One comparison.

    Attributes:
        text: As it was written.
        names: The rows that it names.
        left: Its left side.
        sign: "<", "<=", ">" or ">=".
        right: Its right side.
    """

    text: str
    names: tuple[str, ...]
    left: Formula
    sign: str
    right: Formula

    def holds(self, values: Values) -> bool:
        """Whether it is true of these values."""
        margin = self.margin(values)
        return margin > 0 or (margin == 0 and self.sign.endswith("="))

    def margin(self, values: Values) -> float:
        """By how much it is true; negative by how much it is not."""
        difference = self.right(values) - self.left(values)
        return difference if self.sign.startswith("<") else -difference


@dataclass(frozen=True)
class Finding:
    """What was found of a check.

    Attributes:
        check: It.
        verdict: One of the constants of this module.
        means: Both sides, of the means over the seeds that all its rows have; None without any.
        held: In how many of these seeds it is true.
        seeds: How many there are.
        std: Standard deviation of its margin over them; None of fewer than two.
        logged: The verdict on the numbers of the study's log.
        logged_sides: Both sides of these; None where a row has none.
    """

    check: Check
    verdict: str
    means: tuple[float, float] | None
    held: int
    seeds: int
    std: float | None
    logged: str
    logged_sides: tuple[float, float] | None


def check_claims(study: Mapping[str, Any]) -> None:
    """Check that all claims of a study can be read.

    Args:
        study: The content of a ``study.json``: its ``rows`` and ``claims``.

    Raises:
        ConfigError: A check is no comparison of the study's rows; it names claim and check.
    """
    names = {row["name"] for row in study["rows"]}
    for claim in study.get("claims") or ():
        if not isinstance(claim, Mapping):
            raise ConfigError(f"claim {claim!r} is no dict(title=..., checks=[...])")
        for key in ("title", "checks"):
            if not claim.get(key):
                raise ConfigError(f"claim {claim.get('title', claim)!r} has no {key}")
        if not isinstance(claim["checks"], (list, tuple)):
            raise ConfigError(
                f"claim {claim['title']!r}: checks is a list, not {claim['checks']!r}"
            )
        for text in claim["checks"]:
            parse_check(text, names, claim["title"])


def parse_check(text: str, rows: Collection[str], claim: str) -> Check:
    """Read a comparison, for instance ``abs(a - b) < 3``.

    Args:
        text: It.
        rows: Names that it may use.
        claim: Title of its claim, for messages.

    Raises:
        ConfigError: It is something else.
    """
    start = f"claim {claim!r}, check {text!r}"
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"{start}: not {LANGUAGE}") from error
    signs = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
    if not isinstance(tree, ast.Compare) or len(tree.ops) > 1 or type(tree.ops[0]) not in signs:
        raise ConfigError(f"{start}: not {LANGUAGE}")
    names: list[str] = []
    sides = [_formula(node, rows, names, start) for node in (tree.left, tree.comparators[0])]
    if not names:
        raise ConfigError(f"{start}: it names no row")
    return Check(text, tuple(dict.fromkeys(names)), sides[0], signs[type(tree.ops[0])], sides[1])


def _formula(node: ast.expr, rows: Collection[str], names: list[str], start: str) -> Formula:
    """What a side computes; adds to ``names`` the rows that it needs."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return lambda values: float(value)
        case ast.Name(id=name):
            if name not in rows:
                raise ConfigError(f"{start}: the study has no row {name!r}")
            names.append(name)
            return lambda values: values[name]
        case ast.Call(func=ast.Name(id="abs"), args=[inner], keywords=[]):
            absolute = _formula(inner, rows, names, start)
            return lambda values: abs(absolute(values))
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            positive = _formula(inner, rows, names, start)
            return lambda values: -positive(values)
        case ast.BinOp(left=first, op=ast.Add() | ast.Sub() as operation, right=second):
            a, b = (_formula(each, rows, names, start) for each in (first, second))
            sign = 1 if isinstance(operation, ast.Add) else -1
            return lambda values: a(values) + sign * b(values)
    raise ConfigError(f"{start}: {ast.unparse(node)!r} is not allowed; only {LANGUAGE}")


def judge(
    check: Check, by_seed: Mapping[str, Mapping[int, float]], logged: Mapping[str, float]
) -> Finding:
    """Find out whether a check holds.

    Both sides are computed of the rows' means over the seeds that all of them have. It is undecided
    where they are closer together than the margin's standard deviation over these seeds, or there
    is a single seed, which says nothing of the spread.

    Args:
        check: It.
        by_seed: mIoU by row and seed.
        logged: mIoU by row in the study's log, of those that have one.
    """
    tables = [by_seed.get(name, {}) for name in check.names]
    seeds = sorted(set.intersection(*(set(table) for table in tables)))
    each = [{n: table[s] for n, table in zip(check.names, tables, strict=True)} for s in seeds]
    has_log = set(check.names) <= set(logged)
    log_holds = has_log and check.holds(logged)
    said = UNLOGGED if not has_log else HOLDS if log_holds else FAILS
    log_sides = (check.left(logged), check.right(logged)) if has_log else None
    if not each:
        return Finding(check, UNMEASURED, None, 0, 0, None, said, log_sides)
    means = {name: sum(values[name] for values in each) / len(each) for name in check.names}
    margins = spread([check.margin(values) for values in each])
    std = margins.std if margins else None
    return Finding(
        check=check,
        verdict=_verdict(check, means, std),
        means=(check.left(means), check.right(means)),
        held=sum(check.holds(values) for values in each),
        seeds=len(each),
        std=std,
        logged=said,
        logged_sides=log_sides,
    )


def _verdict(check: Check, means: Values, std: float | None) -> str:
    if std is None:
        return ONE_SEED
    if abs(check.margin(means)) < std:
        return WITHIN
    return HOLDS if check.holds(means) else FAILS


def verdict_of(verdicts: Sequence[str]) -> str:
    """The verdict on a claim by those on its checks: the worst that is certain counts.

    One check that does not hold refutes it; else it is open while one is not measured or not
    decided.
    """
    for verdict in (FAILS, UNMEASURED, UNLOGGED, WITHIN, ONE_SEED):
        if verdict in verdicts:
            return verdict
    return HOLDS
