"""Spent tokens: which answers refuse one, which do not, and which say nothing."""

from __future__ import annotations

import pytest

from tests.verifier.drive.probes.memory_lab import World
from tests.verifier.drive.probes.recorded import fields_of
from tests.verifier.drive.probes.tunnels import TUNNEL
from verifier.drive.probes.token_replay import REFUSED, judge_replay, probe_token_replay
from verifier.errors import FetchError, VerificationError
from verifier.wire.tunnel_answer import TunnelAnswer, TunnelClosed, TunnelProblem, TunnelReply

OPENED = TunnelAnswer(TUNNEL, b"HELLO")


def problem(status: int = REFUSED) -> TunnelProblem:
    return TunnelProblem(
        status=status, what="nonce of the token", expected="a new one", got="spent", challenge=""
    )


def test_a_token_that_is_refused_every_time_passes() -> None:
    words = judge_replay(OPENED, {"at once": problem(), "later": problem()})
    assert words == "refused with 401: a spent token at once; later"


def test_a_token_that_opens_a_second_tunnel_is_caught() -> None:
    with pytest.raises(VerificationError) as caught:
        judge_replay(OPENED, {"at once": problem(), "after its tunnel was closed": OPENED})
    assert fields_of(caught) == (
        "a spent token, after its tunnel was closed",
        "refused with 401",
        "a tunnel",
    )


@pytest.mark.parametrize(
    ("reply", "got"),
    [(problem(429), "status 429: 'spent'"), (TunnelClosed(), "TunnelClosed")],
)
def test_an_answer_about_something_else_shows_nothing(reply: TunnelReply, got: str) -> None:
    with pytest.raises(FetchError) as caught:
        judge_replay(OPENED, {"later": reply})
    assert fields_of(caught) == ("a spent token, later", "an answer with 401", got)


def test_a_token_that_was_never_taken_shows_nothing() -> None:
    with pytest.raises(FetchError) as caught:
        judge_replay(problem(), {"later": problem()})
    assert fields_of(caught) == ("the first use of a token", "a tunnel", "status 401: 'spent'")


def test_nothing_is_seen_where_nobody_watches_or_hands_over() -> None:
    assert probe_token_replay(World().lab(watched=False)) == {}
    assert probe_token_replay(World().lab()) == {}
