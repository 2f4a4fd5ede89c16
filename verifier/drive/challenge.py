"""Is the verified code what answers? Random texts, and the answers that it must give to them.

The requests are such as any user makes, on the paths that any user takes, so that a server cannot
tell a challenge from a message. The workload is deterministic (docs/spec/workload.md); the
predictions are made by the same pure functions that the release serves.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from verifier.errors import VerificationError
from verifier.tlog.strict import excerpt
from verifier.wire.service import STYLES, ChatRequest, Message, RewriteRequest, SummaryRequest
from verifier.wire.workload.chat import START, chat
from verifier.wire.workload.rewrite import rewrite
from verifier.wire.workload.summary import summarise

__all__ = ["Asked", "Challenge", "make_challenge", "pose", "pose_chat"]

_VOCABULARY = """
boat bread bridge brother cat coffee cousin dinner doctor dog film garden holiday house
kitchen letter market meeting morning music neighbour party photo piano picture plan rain
report river school shop sister song station story summer table teacher ticket train tree
village walk weather wedding week window winter work year
ask bring buy call change cook find finish help invite like miss move need open paint plan
play read see send show start take visit wait want write
definately recieve tommorow alot because the a we you they is are was it and but for with
"""
_WORDS = tuple(_VOCABULARY.split())
_SENDERS = ("Ada", "Ben", "Chidi", "Dora")
_MESSAGES, _SENTENCES, _WORDS_IN_SENTENCE = 6, 3, (4, 14)


@dataclass(frozen=True, slots=True)
class Challenge:
    """Requests that nobody has made before; ``turns`` are one chat, in its order."""

    summary: SummaryRequest
    rewrites: tuple[RewriteRequest, ...]
    turns: tuple[ChatRequest, ...]


def make_challenge() -> Challenge:
    """A new challenge; its texts hold more than 500 random bits, and look like any other."""
    rewrites = tuple(RewriteRequest(_text(1), style) for style in STYLES)
    summary = SummaryRequest(_conversation(), 1 + secrets.randbelow(_SENTENCES))
    return Challenge(summary, rewrites, _turns())


class Asked(Protocol):
    """What answers requests: an attested session."""

    def summarise(self, request: SummaryRequest) -> tuple[str, ...]:
        """The summary."""

    def rewrite(self, request: RewriteRequest) -> tuple[str, ...]:
        """The suggestions."""

    def chat(self, request: ChatRequest) -> str:
        """The reply."""


def pose(session: Asked, challenge: Challenge) -> int:
    """Ask, and compare every answer with its prediction; returns how many were asked.

    ``session`` is one in which nobody has chatted yet. Raises VerificationError for the first
    answer that is another.
    """
    _compare("summary", session.summarise(challenge.summary), summarise(challenge.summary))
    for request in challenge.rewrites:
        _compare(f"{request.style} rewriting", session.rewrite(request), rewrite(request))
    state = START
    for number, turn in enumerate(challenge.turns, 1):
        state, reply = chat(state, turn)
        _compare(f"turn {number} of a chat", (session.chat(turn),), (reply,))
    return 1 + len(challenge.rewrites) + len(challenge.turns)


def pose_chat(session: Asked, chat: SummaryRequest | None) -> str:
    """Have ``chat`` summarised and compared with its prediction; words that say so, or none.

    Raises VerificationError for another summary.
    """
    if chat is None:
        return ""
    answered = session.summarise(chat)
    _compare("summary of the chat", answered, summarise(chat))
    lines = " / ".join(answered)
    return f"; as predicted, {len(chat.messages)} messages in {len(answered)} sentences: {lines}"


def _conversation() -> tuple[Message, ...]:
    return tuple(Message(secrets.choice(_SENDERS), _text(_SENTENCES)) for _ in range(_MESSAGES))


def _turns() -> tuple[ChatRequest, ...]:
    """Questions on a conversation, something told, and questions that need what came before."""
    messages = _conversation()
    about = secrets.choice(secrets.choice(messages).text.rstrip(".?!").lower().split())
    told, sender = _sentence().rstrip(".?!"), secrets.choice(_SENDERS)
    turns = (
        f"What did {secrets.choice(messages).sender} say about the {about}?",
        f"and {sender}?",
        f"My {told}.",
        f"What about {' '.join(told.split()[:3])}?",
        "Please give me a summary.",
    )
    return (ChatRequest(messages, turns[0]), *(ChatRequest((), turn) for turn in turns[1:]))


def _compare(what: str, answered: Sequence[str], predicted: Sequence[str]) -> None:
    if answered != predicted:
        expected, got = _shown(predicted), _shown(answered)
        raise VerificationError(f"answer to a challenge ({what})", expected=expected, got=got)


def _shown(lines: Sequence[str]) -> str:
    return excerpt(" / ".join(lines), 160)


def _text(sentences: int) -> str:
    return " ".join(_sentence() for _ in range(sentences))


def _sentence() -> str:
    fewest, most = _WORDS_IN_SENTENCE
    count = fewest + secrets.randbelow(most - fewest)
    words = [secrets.choice(_WORDS) for _ in range(count)]
    return " ".join(words).capitalize() + secrets.choice((".", "?", "!", "."))
