"""Claims of a study: comparisons of rows, and whether the measured numbers support them."""

import ast
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daseg.study.measures import paired_p, spread
from daseg.utils.errors import ConfigError
from daseg.utils.json_files import check_shape

Values = Mapping[str, float]  # mIoU by the name of the row
Formula = Callable[[Values], float]

HOLDS, FAILS = "holds", "does not hold"
WITHIN, ONE_SEED = "undecided (within the spread)", "undecided (one seed)"
UNMEASURED, UNLOGGED = "not measured", "not logged"
LANGUAGE = "one comparison (<, <=, >, >=) of names of rows, numbers, +, - and abs()"
SIGNS: dict[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


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

    def sides(self, values: Values) -> tuple[float, float]:
        """Both sides."""
        return self.left(values), self.right(values)

    def margin(self, values: Values) -> float:
        """By how much it is true of these values; negative by how much it is not."""
        difference = self.right(values) - self.left(values)
        return difference if self.sign.startswith("<") else -difference

    def holds(self, values: Values) -> bool:
        """Whether it is true of these values."""
        margin = self.margin(values)
        return margin > 0 or (margin == 0 and self.sign.endswith("="))


@dataclass(frozen=True)
class Claim:
    """What the rows are to show; it holds where all its checks do."""

    title: str
    checks: tuple[Check, ...]

    def content(self) -> dict[str, Any]:
        """The claim as ``study.json`` states it."""
        return dict(title=self.title, checks=[check.text for check in self.checks])


@dataclass(frozen=True)
class Finding:
    """Whether a check holds.

    Attributes:
        check: The check.
        verdict: One of the constants of this module.
        sides: Both sides of the means over the seeds that all its rows have; None without any.
        held: In how many of these seeds it is true.
        seeds: How many there are.
        std: Standard deviation of its margin over them; None for fewer than two.
        p: The p-value of a paired t-test of its margin over them, see `paired_p`.
        logged: The verdict on the numbers of the study's log.
        logged_sides: Both sides of these numbers; None where a row has none.
    """

    check: Check
    verdict: str
    sides: tuple[float, float] | None
    held: int
    seeds: int
    std: float | None
    p: float | None
    logged: str
    logged_sides: tuple[float, float] | None


def parse_claim(content: Any, rows: Collection[str]) -> Claim:
    """Read a claim, ``dict(title=..., checks=["a > b", ...])``.

    Args:
        content: The claim, as a study states it.
        rows: Names that its checks may use.

    Raises:
        ConfigError: A check is not a comparison of these rows; claim and check are named.
        ValueError: The check has another form.
    """
    title = content.get("title") if isinstance(content, Mapping) else content
    where = f"claim {title!r}"
    check_shape(content, {"title": str, "checks": list[str]}, where)
    if not content["checks"]:
        raise ConfigError(f"{where} has no checks")
    return Claim(content["title"], tuple(_check(text, rows, where) for text in content["checks"]))


def _check(text: str, rows: Collection[str], where: str) -> Check:
    """Read a comparison, for instance ``abs(a - b) < 3``."""
    where = f"{where}, check {text!r}"
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: not {LANGUAGE}") from error
    if not isinstance(tree, ast.Compare) or len(tree.ops) > 1 or type(tree.ops[0]) not in SIGNS:
        raise ConfigError(f"{where}: not {LANGUAGE}")
    names: list[str] = []
    left, right = (_formula(node, rows, names, where) for node in (tree.left, tree.comparators[0]))
    if not names:
        raise ConfigError(f"{where}: it names no row")
    return Check(text, tuple(dict.fromkeys(names)), left, SIGNS[type(tree.ops[0])], right)


def _formula(node: ast.expr, rows: Collection[str], names: list[str], where: str) -> Formula:
    """What a side computes; adds to ``names`` the rows that it needs."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return lambda values: float(value)
        case ast.Name(id=name):
            if name not in rows:
                raise ConfigError(f"{where}: the study has no row {name!r}")
            names.append(name)
            return lambda values: values[name]
        case ast.Call(func=ast.Name(id="abs"), args=[inner], keywords=[]):
            absolute = _formula(inner, rows, names, where)
            return lambda values: abs(absolute(values))
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            positive = _formula(inner, rows, names, where)
            return lambda values: -positive(values)
        case ast.BinOp(left=first, op=ast.Add() | ast.Sub() as operation, right=second):
            a, b = (_formula(each, rows, names, where) for each in (first, second))
            sign = 1 if isinstance(operation, ast.Add) else -1
            return lambda values: a(values) + sign * b(values)
    raise ConfigError(f"{where}: {ast.unparse(node)!r} is not allowed; only {LANGUAGE}")


def judge(
    check: Check, by_seed: Mapping[str, Mapping[int, float]], logged: Mapping[str, float]
) -> Finding:
    """Find out whether a check holds.

    Both sides are computed from the rows' means over the seeds that all of them have. It is
    undecided where they are closer together than the margin's standard deviation over these seeds,
    or where there is a single seed, from which the spread is not known.

    Args:
        check: The check.
        by_seed: mIoU by row and seed.
        logged: mIoU by row in the study's log, of the rows that have one.
    """
    tables = [by_seed.get(name, {}) for name in check.names]
    seeds = sorted(set.intersection(*(set(table) for table in tables)))
    each = [{n: table[s] for n, table in zip(check.names, tables, strict=True)} for s in seeds]
    by_log, log_sides = UNLOGGED, None
    if set(check.names) <= set(logged):
        by_log, log_sides = HOLDS if check.holds(logged) else FAILS, check.sides(logged)
    if not each:
        return Finding(check, UNMEASURED, None, 0, 0, None, None, by_log, log_sides)
    means = {name: sum(values[name] for values in each) / len(each) for name in check.names}
    margins = [check.margin(values) for values in each]
    found = spread(margins)
    std = found.std if found else None
    verdict = HOLDS if check.holds(means) else FAILS
    if std is None:
        verdict = ONE_SEED
    elif abs(check.margin(means)) < std:
        verdict = WITHIN
    held = sum(check.holds(values) for values in each)
    p = paired_p(margins)
    return Finding(check, verdict, check.sides(means), held, len(each), std, p, by_log, log_sides)


def verdict_of(verdicts: Sequence[str]) -> str:
    """The verdict on a claim by those on its checks.

    One check that does not hold refutes it; else it is open while one is not measured or not
    decided.
    """
    for verdict in (FAILS, UNMEASURED, UNLOGGED, WITHIN, ONE_SEED):
        if verdict in verdicts:
            return verdict
    return HOLDS
