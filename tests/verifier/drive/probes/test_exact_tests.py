"""The exact tests, against values that others have published."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest

from verifier.drive.probes.exact_tests import coin_test, fisher_test


@pytest.mark.parametrize(
    ("heads", "tails", "chance"),
    [
        (0, 0, Fraction(1)),
        (1, 0, Fraction(1)),
        (5, 5, Fraction(1)),
        (6, 4, Fraction(193, 256)),  # R, binom.test(6, 10): 0.7539
        (5, 15, Fraction(43_400, 2**20)),  # R, binom.test(5, 20): 0.04139
        (0, 23, Fraction(2, 2**23)),
    ],
)
def test_a_coin(heads: int, tails: int, chance: Fraction) -> None:
    assert coin_test(heads, tails) == coin_test(tails, heads) == float(chance)


@pytest.mark.parametrize(
    ("one", "other", "chance"),
    [
        ((3, 1), (1, 3), Fraction(34, 70)),  # Fisher, The Design of Experiments: a lady's tea
        ((4, 0), (0, 4), Fraction(2, 70)),
        ((2, 10), (15, 3), 0.0005367241),  # R, fisher.test: the twins of Fisher (1962)
        ((8, 2), (1, 5), 0.0349650350),  # 280 of 8008
        ((0, 0), (3, 4), Fraction(1)),
        ((23, 0), (0, 23), Fraction(2, comb(46, 23))),
    ],
)
def test_two_groups(one: tuple[int, int], other: tuple[int, int], chance: float) -> None:
    assert float(fisher_test(one, other)) == pytest.approx(float(chance), rel=1e-6)
    assert fisher_test(one, other) == fisher_test(other, one) == fisher_test(one[::-1], other[::-1])


def test_the_chances_of_all_outcomes_hold_what_they_say() -> None:
    """A test that says once in x times must not be right more often than that."""
    tosses = 12
    for limit in (0.1, 0.01):
        ways = sum(comb(tosses, k) for k in range(tosses + 1) if coin_test(k, tosses - k) <= limit)
        assert ways / 2**tosses <= limit
    size = 6
    for column in range(2 * size + 1):
        tables = [(a, column - a) for a in range(size + 1) if 0 <= column - a <= size]
        weight = {a: comb(size, a) * comb(size, b) for a, b in tables}
        unlikely = [a for a, b in tables if fisher_test((a, size - a), (b, size - b)) <= 0.05]
        assert 20 * sum(weight[a] for a in unlikely) <= sum(weight.values())


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="negative counts: -1, 3"):
        coin_test(-1, 3)
    with pytest.raises(ValueError, match=r"negative counts: \(1, 2\), \(3, -1\)"):
        fisher_test((1, 2), (3, -1))
