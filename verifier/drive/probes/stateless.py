"""A session asked about what another session was told: it must not know.

The first session answers with the word that it was told, so the question works; then another client
and, in a new session, the same one ask the same CVM. Where nobody can see which CVM that is, some
sessions ask; they may all reach another one. A pass shows that nothing of the first session reached
these. It does not show that nothing was kept: see ``restart``, and the released code, which the
measurement binds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from verifier.appraisal.drive.driven import Done, Seen
from verifier.client.client import AttestedClient
from verifier.drive.attempt import attempt
from verifier.drive.lab import Lab
from verifier.drive.probes.canaries import Canary, make_canary
from verifier.drive.probes.watching import (
    Watch,
    connect_to,
    reached_cvm,
    without_session_no_finding,
)
from verifier.errors import FetchError, VerificationError

__all__ = [
    "CHECK",
    "UNWATCHED_SESSIONS",
    "Told",
    "ask_about",
    "judge_told",
    "probe_stateless",
    "tell",
]

CHECK = "drive.path.stateless"

UNWATCHED_SESSIONS = 4
"""New sessions of each client where nobody sees which CVM they reach."""

_QUESTIONS = ("Where does the parcel lie?", "Please give me a summary.")


@dataclass(frozen=True, slots=True)
class Told:
    """What ``who`` was answered when asked about the word."""

    who: str
    answers: Sequence[str]


def probe_stateless(lab: Lab) -> Mapping[str, Seen]:
    """Tell one session a word, and ask two others."""
    return {CHECK: attempt(lambda: _asked(lab))}


def tell(client: AttestedClient, canary: Canary) -> Told:
    """Tell the session of ``client`` a word of ``canary``, and ask it for it."""
    message = ("Anna", f"The parcel lies in locker {canary.word()}.")
    client.chat("Please remember that.", messages=[message])
    return Told("the session that was told", tuple(client.chat(each) for each in _QUESTIONS))


def ask_about(client: AttestedClient, who: str) -> Told:
    """Ask for the word in every kind of request, without any word of it."""
    answers = [client.chat(each) for each in _QUESTIONS]
    answers += client.summarise([("Ben", "Where does the parcel lie, in which locker?")])
    answers += client.rewrite("i dont know where teh parcel lies", style="proofread")
    return Told(who, answers)


def judge_told(canary: Canary, own: Told, others: Sequence[Told]) -> str:
    """Who was asked in vain, in words.

    Raises FetchError if not even the session that was told knows the word, so that the others'
    silence says nothing; VerificationError for another one that knows it.
    """
    if not any(canary.is_in(answer) for answer in own.answers):
        expected, got = "an answer with the word it was told", "none"
        raise FetchError(own.who, expected=expected, got=got)
    for other in others:
        for number, answer in enumerate(other.answers, 1):
            if canary.is_in(answer):
                got = f"the word, in answer {number} of {len(other.answers)}"
                expected = "no word of another session"
                raise VerificationError(other.who, expected=expected, got=got)
    count = sum(len(other.answers) for other in others)
    names = " and ".join(dict.fromkeys(other.who for other in others))
    return f"{names} did not know the word in {count} answers; {own.who} did"


def _asked(lab: Lab) -> Done:
    canary, watch = make_canary(), Watch(lab)
    with without_session_no_finding(), lab.new_client() as client:
        own = tell(client, canary)
        number = reached_cvm(watch.cvms()) if lab.is_watched else None
        # Of the same address: where a path steers by it, another one might never get to this CVM.
        with lab.new_client() as other:
            beside = _others(lab, other, number, "another client beside it")
        client.close()
        after = _others(lab, client, number, "the same client in a new session")
    return Done(judge_told(canary, own, (*beside, *after)))


def _others(lab: Lab, client: AttestedClient, number: int | None, who: str) -> list[Told]:
    """What new sessions of ``client`` say: one with CVM ``number``, or some with whichever."""
    if number is not None:
        connect_to(lab, client, number)
        return [ask_about(client, who)]
    told = []
    for _ in range(UNWATCHED_SESSIONS):
        told.append(ask_about(client, who))
        client.close()
    return told
