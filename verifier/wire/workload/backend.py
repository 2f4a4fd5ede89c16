"""What computes the answers, behind one small interface: a language model could stand here too.

The three that are here are pure, so a client predicts their answers. A model would be another
``Workload`` whose ``name`` says which weights it runs; the weights are named by digest in the
release, and ``weights`` says what may be loaded. Source: docs/spec/workload.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from verifier.wire import service
from verifier.wire.workload.chat import START, ChatState, chat
from verifier.wire.workload.rewrite import rewrite
from verifier.wire.workload.summary import summarise

__all__ = ["CHAT", "REWRITE", "SUMMARY", "WORKLOADS", "Session", "Workload"]

_R = TypeVar("_R")
_A = TypeVar("_A")


class Session:
    """What one attested session was told; whoever holds it keeps it alive, and nothing else does.

    Not safe under threads: a session answers one request at a time.
    """

    __slots__ = ("chat",)

    def __init__(self) -> None:
        self.chat: ChatState = START


class Workload(Protocol):
    """One kind of request, and what answers it."""

    @property
    def name(self) -> str:
        """What it is called where answers are compared: lower-case letters."""

    @property
    def path(self) -> str:
        """Where its requests are posted, as JSON."""

    @property
    def request(self) -> type:
        """The type of its requests."""

    def answer(self, raw: bytes, session: Session) -> bytes:
        """The body that answers the body ``raw`` in ``session``. Raises ParseError.

        After an error the session is as it was.
        """


@dataclass(frozen=True, slots=True)
class _Pure:
    """A workload that is one function."""

    name: str
    path: str
    request: type
    respond: Callable[[bytes, Session], bytes]

    def answer(self, raw: bytes, session: Session) -> bytes:
        return self.respond(raw, session)


def _stateless(
    read: Callable[[bytes], _R], compute: Callable[[_R], _A], write: Callable[[_A], bytes]
) -> Callable[[bytes, Session], bytes]:
    return lambda raw, _session: write(compute(read(raw)))


def _chat(raw: bytes, session: Session) -> bytes:
    session.chat, reply = chat(session.chat, service.parse_chat_request(raw))
    return service.encode_chat_answer(reply)


SUMMARY: Workload = _Pure(
    "summaries",
    service.SUMMARY_PATH,
    service.SummaryRequest,
    _stateless(service.parse_summary_request, summarise, service.encode_summary_answer),
)
REWRITE: Workload = _Pure(
    "rewrites",
    service.REWRITE_PATH,
    service.RewriteRequest,
    _stateless(service.parse_rewrite_request, rewrite, service.encode_rewrite_answer),
)
CHAT: Workload = _Pure("chats", service.CHAT_PATH, service.ChatRequest, _chat)

WORKLOADS = (SUMMARY, REWRITE, CHAT)
"""What the reference CVM serves."""
