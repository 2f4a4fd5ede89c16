"""Asks an attested client what a challenge asks, and watches what passes the taps meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from verifier.client.client import AttestedClient
from verifier.drive.lab import Lab
from verifier.drive.tap import Direction, Recording
from verifier.errors import FetchError
from verifier.wire.service import ChatRequest, Message, RewriteRequest, SummaryRequest

__all__ = ["ClientAsked", "Mark", "sent_bytes"]


@dataclass(frozen=True, slots=True)
class ClientAsked:
    """An attested client as what a challenge is posed to."""

    client: AttestedClient

    def summarise(self, request: SummaryRequest) -> tuple[str, ...]:
        """As ``Asked``."""
        return self.client.summarise(_pairs(request.messages), sentences=request.sentences)

    def rewrite(self, request: RewriteRequest) -> tuple[str, ...]:
        """As ``Asked``."""
        return self.client.rewrite(request.text, style=request.style)

    def chat(self, request: ChatRequest) -> str:
        """As ``Asked``."""
        return self.client.chat(request.turn, messages=_pairs(request.messages))


def _pairs(messages: Iterable[Message]) -> tuple[tuple[str, str], ...]:
    return tuple((message.sender, message.text) for message in messages)


@dataclass(frozen=True, slots=True)
class Mark:
    """How much had passed each tap at one moment: connections, and bytes of all of them."""

    connections: Mapping[str, int]
    passed: Mapping[str, int]

    @classmethod
    def of(cls, lab: Lab) -> Mark:
        """Now. Raises FetchError where a tap has missed something."""
        seen = {hop: tap.recordings() for hop, tap in lab.taps.items()}
        return cls(
            {hop: len(recordings) for hop, recordings in seen.items()},
            {hop: sum(map(_size, recordings)) for hop, recordings in seen.items()},
        )

    def since(self, lab: Lab, hop: str) -> tuple[Recording, ...]:
        """The connections that were opened at ``hop`` since. Raises FetchError as ``of``."""
        tap = lab.taps.get(hop)
        if tap is None:
            raise FetchError(hop, expected="a tap", got="there is none")
        return tap.recordings()[self.connections[hop] :]


def _size(recording: Recording) -> int:
    return sum(len(piece.content) for piece in recording.pieces)


def sent_bytes(recordings: Iterable[Recording]) -> bytes:
    """All that whoever connected has sent, one connection after the other."""
    return b"".join(recording.content(Direction.THERE) for recording in recordings)
