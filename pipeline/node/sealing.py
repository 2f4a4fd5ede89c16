"""The seals of one connection: its key, and how many requests were sealed to it.

The key is made when evidence is asked for, bound by that evidence, and gone with the connection; so
nothing that a node keeps opens what was said in an earlier one. Source: docs/spec/sealed.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from verifier.errors import ParseError
from verifier.wire.sealed import (
    SealedSession,
    SealingKey,
    SealingPublicKey,
    Unsealed,
    open_request,
    seal_response,
)

__all__ = ["Opened", "Seals"]


@dataclass(frozen=True, slots=True)
class Opened:
    """A request that was sealed to this connection, and the place that its answer has in it."""

    request: Unsealed
    place: SealedSession

    def seal(self, status: int, content: bytes) -> bytes:
        """The sealed answer."""
        return seal_response(status, content, request=self.request, session=self.place)


class Seals:
    """Not safe under threads: a connection answers one request at a time."""

    def __init__(self) -> None:
        self._key: SealingKey | None = None
        self._next = SealedSession(role="", exporter=b"", sequence=0)

    def renew(self, *, role: str, exporter: bytes) -> SealingPublicKey:
        """Make a new key, which the evidence over ``exporter`` will bind, and count from 0."""
        self._key = SealingKey(MLKEM768PrivateKey.generate(), X25519PrivateKey.generate())
        self._next = SealedSession(role=role, exporter=exporter, sequence=0)
        return self._key.public

    def open(self, raw: bytes) -> Opened:
        """Open the next request. Raises ParseError, and VerificationError, which change nothing."""
        if self._key is None:
            got = "a sealed request before that"
            raise ParseError("sealed request", expected="evidence to be asked for", got=got)
        place = self._next
        opened = Opened(open_request(raw, key=self._key, session=place), place)
        self._next = replace(place, sequence=place.sequence + 1)
        return opened
