"""Steering: caught for sure when it is complete, and chance is not taken for it."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import product
from math import comb

import pytest

from tests.verifier.drive.probes.memory_lab import World
from tests.verifier.drive.probes.recorded import fields_of
from verifier.appraisal.drive.driven import Done, Stopped
from verifier.appraisal.findings import FindingClass
from verifier.drive.probes.exact_tests import coin_test, fisher_test
from verifier.drive.probes.steering import (
    CHECK,
    FALSE_ALARM,
    SESSIONS,
    judge_steering,
    probe_steering,
)
from verifier.errors import FetchError, VerificationError

HALF = [0, 1] * (SESSIONS // 2) + [0]


def test_an_even_spread_passes_and_is_told() -> None:
    assert judge_steering(HALF, HALF) == (
        "reached cvm-0 12 times, cvm-1 11 times and cvm-0 12 times, cvm-1 11 times; "
        "least chance of three tests 1"
    )


@pytest.mark.parametrize(
    ("marked", "unmarked", "what"),
    [
        ([0] * SESSIONS, HALF, "the marked client against a fair coin"),
        ([1] * SESSIONS, HALF, "the marked client against a fair coin"),
        (HALF, [1] * SESSIONS, "the other client against a fair coin"),
        ([0] * SESSIONS, [0] * SESSIONS, "the marked client against a fair coin"),
        (
            [0] * 22 + [1],
            [1] * 22 + [0],
            "both clients against one another",
        ),
    ],
)
def test_a_client_that_is_always_sent_to_one_cvm_is_caught(
    marked: list[int], unmarked: list[int], what: str
) -> None:
    with pytest.raises(VerificationError) as caught:
        judge_steering(marked, unmarked)
    name, expected, got = fields_of(caught)
    assert name == f"CVMs reached, {what}"
    assert expected == "a spread that chance makes more often than once in 3000000"
    assert got.startswith(f"cvm-0 {marked.count(0)} times, cvm-1 {marked.count(1)} times and ")
    assert "by chance once in " in got


def test_the_number_of_sessions_is_the_smallest_that_always_catches() -> None:
    limit = FALSE_ALARM / 3
    assert coin_test(0, SESSIONS) < limit <= coin_test(0, SESSIONS - 1)


@pytest.mark.parametrize("few", [[], [0] * (SESSIONS - 1), [0, 1] * (SESSIONS // 2)])
def test_too_few_sessions_show_nothing(few: list[int]) -> None:
    for marked, unmarked in ((few, HALF), (HALF, few)):
        with pytest.raises(FetchError) as caught:
            judge_steering(marked, unmarked)
        assert fields_of(caught) == ("sessions", "23 of each client", f"{len(few)} of one")


def test_chance_alone_fails_less_often_than_is_said() -> None:
    """Not a simulation: every outcome of two fair clients, with its weight."""
    limit, refused = FALSE_ALARM / 3, 0
    for one, other in product(range(SESSIONS + 1), repeat=2):
        counts = ((one, SESSIONS - one), (other, SESSIONS - other))
        chances = (*(coin_test(*count) for count in counts), fisher_test(*counts))
        if min(chances) < limit:
            refused += comb(SESSIONS, one) * comb(SESSIONS, other)
    assert 0 < Fraction(refused, 4**SESSIONS) < FALSE_ALARM


def test_a_fair_path_passes() -> None:
    chance = random.Random(6)
    world = World(choose=lambda _source, _number: chance.randrange(2))
    seen = probe_steering(world.lab())[CHECK]
    assert isinstance(seen, Done)
    assert world.sessions == 2 * SESSIONS


def test_a_path_that_steers_by_address_is_caught() -> None:
    world = World(choose=lambda source, _: sum(source.encode()) % 2)
    seen = probe_steering(world.lab())[CHECK]
    assert isinstance(seen, Stopped)
    assert seen.cls is FindingClass.SECURITY
    assert seen.got.startswith("CVMs reached, the marked client against a fair coin: cvm-")


def test_nothing_is_seen_where_nobody_watches() -> None:
    assert probe_steering(World().lab(watched=False)) == {}
