"""An entry of the log: the canonical bytes of an envelope, and the kinds of statement in it.

Source: design section 4. An entry is at most 65,535 bytes and exactly the RFC 8785 form of a DSSE
envelope around an in-toto Statement v1. The predicate type names the kind; an unknown kind is
never skipped over, it is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import rfc8785

from verifier.errors import ParseError, UnsupportedError
from verifier.release import cvm_release
from verifier.release.cvm_release import CvmRelease
from verifier.release.dsse import Envelope, open_envelope, parse_envelope
from verifier.release.publisher import PublisherKey
from verifier.release.statement import PAYLOAD_TYPE, Statement, parse_statement
from verifier.tlog.strict import parse_json

__all__ = ["KINDS", "AuthenticRelease", "Entry", "open_release", "parse_entry"]

KINDS: dict[str, Callable[[Statement], CvmRelease]] = {
    cvm_release.PREDICATE_TYPE: cvm_release.parse_cvm_release,
}
"""Predicate type to the parser of that kind of entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A well-formed entry, believed by no one. ``raw`` is what the leaf hash covers."""

    raw: bytes
    envelope: Envelope
    kind: str
    content: CvmRelease


@dataclass(frozen=True, slots=True)
class AuthenticRelease:
    """A release that ``keys`` signed."""

    release: CvmRelease
    keys: tuple[PublisherKey, ...]
    entry: Entry


def parse_entry(raw: bytes) -> Entry:
    """Read an entry of a known kind.

    Raises ParseError for anything but the canonical form, UnsupportedError for an unknown kind.
    """
    envelope = parse_envelope(raw)
    if envelope.payload_type != PAYLOAD_TYPE:
        got = envelope.payload_type
        raise ParseError("envelope.payloadType", expected=PAYLOAD_TYPE, got=got)
    if rfc8785.dumps(parse_json(envelope.payload, what="statement")) != envelope.payload:
        raise ParseError("statement", expected="RFC 8785 canonical JSON", got="another spelling")
    statement = parse_statement(envelope.payload)
    kind = statement.predicate_type
    if kind not in KINDS:
        raise UnsupportedError("predicate type", expected=" or ".join(KINDS), got=kind)
    return Entry(raw, envelope, kind, KINDS[kind](statement))


def open_release(
    entry: Entry, *, publishers: tuple[PublisherKey, ...], threshold: int
) -> AuthenticRelease:
    """Check that at least ``threshold`` of ``publishers`` signed. Raises VerificationError."""
    opened = open_envelope(entry.envelope, publishers=publishers, threshold=threshold)
    return AuthenticRelease(entry.content, opened.keys, entry)
