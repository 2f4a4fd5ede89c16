"""Whether another session knows what one was told."""

from __future__ import annotations

import pytest

from tests.verifier.drive.probes.memory_lab import World
from tests.verifier.drive.probes.recorded import fields_of
from verifier.appraisal.drive.driven import Done, Stopped
from verifier.appraisal.findings import FindingClass
from verifier.drive.probes.canaries import make_canary
from verifier.drive.probes.stateless import (
    CHECK,
    UNWATCHED_SESSIONS,
    Told,
    judge_told,
    probe_stateless,
)
from verifier.errors import FetchError, VerificationError

CANARY = make_canary()
OWN = Told("the session that was told", ("Noted.", f"It lies in locker {CANARY.word()}."))
SILENT = Told("another client", ("I do not know.", "Nothing."))


def test_silence_of_the_others_counts_when_the_first_one_knows() -> None:
    words = judge_told(CANARY, OWN, (SILENT, SILENT))
    assert words == (
        "another client did not know the word in 4 answers; the session that was told did"
    )


def test_an_answer_with_the_word_is_a_failure() -> None:
    knowing = Told("another client", ("I do not know.", CANARY.word().capitalize()))
    with pytest.raises(VerificationError) as caught:
        judge_told(CANARY, OWN, (SILENT, knowing))
    assert fields_of(caught) == (
        "another client",
        "no word of another session",
        "the word, in answer 2 of 2",
    )


def test_if_nobody_knows_nothing_is_shown() -> None:
    with pytest.raises(FetchError) as caught:
        judge_told(CANARY, Told("the first", ("Noted.",)), (SILENT,))
    assert fields_of(caught) == ("the first", "an answer with the word it was told", "none")


def test_cvms_that_keep_nothing_pass() -> None:
    seen = probe_stateless(World().lab())[CHECK]
    assert isinstance(seen, Done)
    assert seen.words.endswith("in 8 answers; the session that was told did")


@pytest.mark.parametrize("first", [0, 1])
def test_a_cvm_that_keeps_is_caught_whichever_one_is_told(first: int) -> None:
    """The CVM that was told is the one that is asked, however many sessions that takes."""
    world = World(choose=lambda _, number: (first + number) % 2, keeps=True)
    seen = probe_stateless(world.lab())[CHECK]
    assert isinstance(seen, Stopped)
    assert seen.cls is FindingClass.SECURITY
    assert seen.expected == "no word of another session"
    assert seen.got == "another client beside it: the word, in answer 1 of 4"


def test_where_nobody_watches_several_sessions_ask() -> None:
    world = World()
    assert isinstance(probe_stateless(world.lab(watched=False))[CHECK], Done)
    assert world.sessions == 1 + 2 * UNWATCHED_SESSIONS
    keeping = World(keeps=True)
    assert isinstance(probe_stateless(keeping.lab(watched=False))[CHECK], Stopped)


def test_a_client_that_refuses_its_cvm_is_no_failure_here() -> None:
    seen = probe_stateless(World(refuses=True).lab())[CHECK]
    assert isinstance(seen, Stopped)
    assert seen.cls is FindingClass.INFRASTRUCTURE
    assert seen.got.startswith("session of the probe: session: FAILED")
