"""Numbers about numbers, against values worked out by hand."""

import math

import pytest

from daseg.study.measures import gap_closed, paired_p, ranks, spearman, spread


def test_spread_is_that_of_the_sample():
    found = spread([20.0, 22.0, 27.0])
    # Mean 23; deviations -3, -1, 4: squares add up to 26, and 26 / 2 = 13.
    assert (found.mean, found.n) == (23.0, 3)
    assert found.std == pytest.approx(math.sqrt(13))
    assert str(found) == "23.00 ± 3.61 (3)"


def test_spread_is_that_of_the_published_results():
    # docs/results.md: the first stage in the embedded world, 25.0, 24.6, 22.9: 24.2 ± 1.1. Divided
    # by n it would be 0.9.
    found = spread([25.0, 24.6, 22.9])
    assert f"{found.mean:.1f} ± {found.std:.1f}" == "24.2 ± 1.1"


def test_one_value_has_no_spread_and_none_no_mean():
    assert spread([5.0]).std is None
    assert str(spread([5.0])) == "5.00 (1)"
    assert spread([]) is None


@pytest.mark.parametrize(
    ("seeds", "t"), [(2, 12.706), (3, 4.303), (4, 3.182), (5, 2.776), (6, 2.571), (11, 2.228)]
)
def test_a_paired_test_at_the_critical_values_of_printed_tables(seeds, t):
    """Two-sided 5 % of Student's t with one degree of freedom less than seeds."""
    shape = [(-1.0) ** k for k in range(seeds)]
    if seeds % 2:
        shape[-1] = 0.0
    std = math.sqrt(sum(value**2 for value in shape) / (seeds - 1))
    differences = [value + t * std / math.sqrt(seeds) for value in shape]
    assert paired_p(differences) == pytest.approx(0.05, abs=5e-5)  # they have three decimals
    assert paired_p([-value for value in differences]) == paired_p(differences)


def test_a_paired_test_of_two_and_three_seeds_by_hand():
    assert paired_p([0.0, 2.0]) == pytest.approx(0.5)  # t = 1 with one degree: 1 - 2 / pi * pi / 4
    # Mean 3, std 1: t = 3 sqrt(3) with two degrees, p = 1 - t / sqrt(t^2 + 2).
    assert paired_p([2.0, 3.0, 4.0]) == pytest.approx(1 - math.sqrt(27 / 29))
    assert paired_p([1.0]) is None
    assert paired_p([1.0, 1.0]) is None


def test_gap_closed():
    assert gap_closed(30.0, 20.0, 60.0) == 25.0
    assert gap_closed(15.0, 20.0, 60.0) == -12.5
    assert gap_closed(70.0, 20.0, 60.0) == 125.0


@pytest.mark.parametrize(
    "values",
    [(None, 1.0, 2.0), (1.5, None, 2.0), (1.5, 1.0, None), (1.5, 2.0, 2.0), (1.5, 2.0, 1.0)],
)
def test_no_gap(values):
    assert gap_closed(*values) is None


def test_ranks_share_the_mean_of_equal_ones():
    assert ranks([30.0, 10.0, 20.0, 20.0]).tolist() == [4, 1, 2.5, 2.5]
    assert ranks([7.0, 7.0, 7.0]).tolist() == [2, 2, 2]


def test_spearman_by_hand():
    # Ranks 1 2 3 4 5 and 2 1 4 3 5: the differences' squares add up to 4; 1 - 6 * 4 / (5 * 24).
    assert spearman([1, 2, 3, 4, 5], [20, 10, 40, 30, 50]) == pytest.approx(0.8)
    assert spearman([1, 2, 3], [1, 10, 1000]) == pytest.approx(1)
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)


def test_spearman_with_ties_by_hand():
    # Ranks 1 2.5 2.5 4 and 1 3 2 4, both of mean 2.5. Deviations -1.5 0 0 1.5 and -1.5 0.5 -0.5
    # 1.5: product 4.5, squares 4.5 and 5.
    assert spearman([1, 2, 2, 3], [1, 3, 2, 4]) == pytest.approx(4.5 / math.sqrt(4.5 * 5))


def test_no_spearman_of_two_or_of_constants():
    assert spearman([1, 2], [1, 2]) is None
    assert spearman([1, 1, 1], [1, 2, 3]) is None
    assert spearman([1, 2, 3], [5, 5, 5]) is None
    assert spearman([1, 2, math.nan], [1, 2, 3]) is None


def test_spearman_leaves_out_what_is_not_a_number():
    assert spearman([1, math.nan, 2, 3], [1, 0, 2, 3]) == pytest.approx(1)
