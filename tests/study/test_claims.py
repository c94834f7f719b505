"""Claims: their language, and their verdicts."""

import math

import pytest

from daseg.study import parse_study
from daseg.study.claims import (
    FAILS,
    HOLDS,
    ONE_SEED,
    UNLOGGED,
    UNMEASURED,
    WITHIN,
    judge,
    parse_claim,
    verdict_of,
)
from daseg.utils.errors import ConfigError

ROWS = ("a", "b", "c")


def check(text: str):
    return parse_claim(dict(title="a claim", checks=[text]), ROWS).checks[0]


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("a > b", False),
        ("a < b", True),
        ("a >= 2", True),
        ("a > 2", False),
        ("a - b < c - 7.5", True),
        ("abs(a - b) < 1", False),
        ("abs(a - b) <= 1", True),
        ("-a + b + c == 8", None),
        ("-a + b + c < 8.5", True),
        ("(a - (b - c)) > 5", True),
        ("a - b - c > -8.5", True),
    ],
)
def test_language(text, true):
    values = dict(a=2.0, b=3.0, c=7.0)  # a - b - c is -8, a - (b - c) is 6
    if true is None:
        with pytest.raises(ConfigError, match="one comparison"):
            check(text)
    else:
        assert check(text).holds(values) is true


def test_names_each_row_once():
    assert check("a - b < c - a").names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a > d", r"the study has no row 'd'"),
        ("a >", "not one comparison"),
        ("a", "not one comparison"),
        ("a < b < c", "not one comparison"),
        ("a < b and b < c", "not one comparison"),
        ("1 < 2", "names no row"),
        ("a * 2 > b", r"'a \* 2' is not allowed"),
        ("max(a, b) > c", r"'max\(a, b\)' is not allowed"),
        ("abs(a, b) > c", "is not allowed"),
        ("a.real > b", "is not allowed"),
        ("a > 'x'", "is not allowed"),
        ("a > True", "is not allowed"),
        ("__import__('os').getcwd() > a", "is not allowed"),
        ("a > (b if a else c)", "is not allowed"),
        ("a > b\0", "not one comparison"),
    ],
)
def test_what_is_not_the_language_names_claim_and_check(text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        parse_claim(dict(title="It helps", checks=[text]), ROWS)
    assert f"claim 'It helps', check {text!r}" in str(caught.value)


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        (dict(title="x"), "claim 'x' has no 'checks'"),
        (dict(title="x", checks=[]), "claim 'x' has no checks"),
        (dict(checks=["a > 1"]), "claim None has no 'title'"),
        ("a > 1", r"claim 'a > 1' is 'a > 1', not dict\[str, Any\]"),
        (dict(title="x", checks="a > 1"), r"claim 'x'.checks is 'a > 1', not list\[str\]"),
        (dict(title="x", checks=[3]), r"claim 'x'.checks is \[3\], not list\[str\]"),
    ],
)
def test_claims_of_another_form(claim, message):
    study = dict(name="s", title="t", world="real", seeds=[1], rows=[dict(name="a", config="c")])
    with pytest.raises(ConfigError, match=message):
        parse_study(study | dict(claims=[claim]))


def test_what_a_claim_says_is_written_as_it_was_read():
    content = dict(title="x", checks=["abs(a - 3) < 1", "a > 0"])
    assert parse_claim(content, ROWS).content() == content


def test_holds_by_more_than_the_spread():
    found = judge(check("a < b"), dict(a={1: 10.0, 2: 12.0}, b={1: 13.0, 2: 17.0}), dict(a=5, b=4))
    # Margins 3 and 5: mean 4, standard deviation sqrt(2).
    assert (found.verdict, found.sides, found.held, found.seeds) == (HOLDS, (11.0, 15.0), 2, 2)
    assert found.std == pytest.approx(math.sqrt(2))
    # t = 4 with one degree of freedom: 1 - 2 / pi * atan(4).
    assert found.p == pytest.approx(1 - 2 / math.pi * math.atan(4))
    assert (found.logged, found.logged_sides) == (FAILS, (5, 4))


def test_does_not_hold_by_more_than_the_spread():
    found = judge(check("a > b"), dict(a={1: 10.0, 2: 12.0}, b={1: 13.0, 2: 17.0}), dict(a=5))
    assert (found.verdict, found.held, found.logged, found.logged_sides) == (
        FAILS,
        0,
        UNLOGGED,
        None,
    )


def test_within_the_spread():
    # Margins 3 and -1: mean 1, standard deviation sqrt(8).
    found = judge(check("a < b"), dict(a={1: 10.0, 2: 12.0}, b={1: 13.0, 2: 11.0}), {})
    assert (found.verdict, found.held, found.seeds) == (WITHIN, 1, 2)


def test_only_common_seeds_count():
    found = judge(check("a < b"), dict(a={1: 1.0, 2: 2.0, 3: 90.0}, b={1: 5.0, 2: 6.0}), {})
    assert (found.sides, found.seeds, found.verdict) == ((1.5, 5.5), 2, HOLDS)


def test_one_seed_decides_nothing():
    found = judge(check("a < b"), dict(a={1: 1.0}, b={1: 50.0}), {})
    assert (found.verdict, found.held, found.std) == (ONE_SEED, 1, None)


def test_not_measured():
    for by_seed in (dict(a={1: 1.0}, b={}), dict(a={1: 1.0}, b={2: 1.0}), dict(a={1: 1.0})):
        assert judge(check("a < b"), by_seed, {}).verdict == UNMEASURED


def test_absolute_value_is_that_of_the_means():
    # |a - b| is 2 in each seed, of the means it is 0; the margins 3 - 2 have no spread.
    found = judge(check("abs(a - b) < 3"), dict(a={1: 1.0, 2: 5.0}, b={1: 3.0, 2: 3.0}), {})
    assert (found.sides, found.verdict) == ((0.0, 3.0), HOLDS)


def test_verdict_on_a_claim():
    assert verdict_of([HOLDS, HOLDS]) == HOLDS
    assert verdict_of([HOLDS, WITHIN]) == WITHIN
    assert verdict_of([WITHIN, UNMEASURED]) == UNMEASURED
    assert verdict_of([UNMEASURED, FAILS, HOLDS]) == FAILS
    assert verdict_of([HOLDS, UNLOGGED]) == UNLOGGED
