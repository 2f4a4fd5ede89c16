"""Two exact tests of chance: counted in whole numbers, and divided once at the end."""

from __future__ import annotations

from math import comb

__all__ = ["coin_test", "fisher_test"]


def coin_test(heads: int, tails: int) -> float:
    """How often a fair coin falls at least as unevenly: the two-sided binomial test for 1/2.

    ValueError for negative counts. Source: the binomial distribution, both tails.
    """
    if min(heads, tails) < 0:
        message = f"negative counts: {heads}, {tails}"
        raise ValueError(message)
    tosses, most = heads + tails, max(heads, tails)
    if heads == tails:
        return 1.0
    tail = sum(comb(tosses, count) for count in range(most, tosses + 1))
    return 2 * tail / (1 << tosses)


def fisher_test(one: tuple[int, int], other: tuple[int, int]) -> float:
    """How often two groups of one kind fall as far apart as ``one`` and ``other``, or farther.

    Each has two counts. All tables with the same sums count that are no more likely than this one
    (Fisher's exact test, two-sided). ValueError for negative counts.
    """
    if min(*one, *other) < 0:
        message = f"negative counts: {one}, {other}"
        raise ValueError(message)
    size, other_size, column = sum(one), sum(other), one[0] + other[0]
    ways = {
        first: comb(size, first) * comb(other_size, column - first)
        for first in range(max(0, column - other_size), min(size, column) + 1)
    }
    seen = ways[one[0]]
    return sum(way for way in ways.values() if way <= seen) / sum(ways.values())
