"""An entry of the log: the canonical bytes of an envelope, and the kinds of statement in it.

Source: design section 4. An entry is at most 65,535 bytes and exactly the RFC 8785 form of a DSSE
envelope around an in-toto Statement v1. The predicate type names the kind; an unknown kind is
never skipped over, it is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import rfc8785

from verifier.errors import ParseError, UnsupportedError, VerificationError
from verifier.release import (
    announcement,
    cvm_release,
    host_identity,
    key_configuration,
    log_policy,
    rebuild,
    revocation,
    tcb_floor,
)
from verifier.release.announcement import Announcement
from verifier.release.cvm_release import CvmRelease
from verifier.release.dsse import Envelope, open_envelope, parse_envelope
from verifier.release.host_identity import HostIdentity
from verifier.release.key_configuration import KeyConfiguration
from verifier.release.log_policy import LogPolicy
from verifier.release.publisher import PublisherKey
from verifier.release.rebuild import Rebuild
from verifier.release.revocation import Revocation
from verifier.release.sigstore_identity import AuthenticIdentity
from verifier.release.statement import PAYLOAD_TYPE, Statement, parse_statement
from verifier.release.tcb_floor import TcbFloors
from verifier.tlog.strict import parse_json

__all__ = [
    "KINDS",
    "AuthenticEntry",
    "AuthenticRelease",
    "Content",
    "Entry",
    "kind_name",
    "open_entry",
    "open_release",
    "open_release_by_identity",
    "parse_entry",
    "parse_release_entry",
]

Content = (
    Announcement
    | CvmRelease
    | HostIdentity
    | KeyConfiguration
    | LogPolicy
    | Rebuild
    | Revocation
    | TcbFloors
)
"""What an entry can say; its class is its kind."""

KINDS: dict[str, Callable[[Statement], Content]] = {
    announcement.PREDICATE_TYPE: announcement.parse_announcement,
    cvm_release.PREDICATE_TYPE: cvm_release.parse_cvm_release,
    host_identity.PREDICATE_TYPE: host_identity.parse_host_identity,
    key_configuration.PREDICATE_TYPE: key_configuration.parse_key_configuration,
    log_policy.PREDICATE_TYPE: log_policy.parse_log_policy,
    rebuild.PREDICATE_TYPE: rebuild.parse_rebuild,
    revocation.PREDICATE_TYPE: revocation.parse_revocation,
    tcb_floor.PREDICATE_TYPE: tcb_floor.parse_tcb_floors,
}
"""Predicate type to the parser of that kind of entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A well-formed entry, believed by no one. ``raw`` is what the leaf hash covers.

    ``kind`` is the predicate type, one of ``KINDS``.
    """

    raw: bytes
    envelope: Envelope
    kind: str
    content: Content


@dataclass(frozen=True, slots=True)
class AuthenticEntry:
    """An entry of any kind that ``keys`` signed."""

    content: Content
    keys: tuple[PublisherKey, ...]
    entry: Entry


@dataclass(frozen=True, slots=True)
class AuthenticRelease:
    """A release that ``keys`` signed, or an identity if there are none."""

    release: CvmRelease
    keys: tuple[PublisherKey, ...]
    entry: Entry


def kind_name(kind: str) -> str:
    """The short name of a predicate type: ``urn:cvm-audit:rebuild:v1`` is ``rebuild/v1``."""
    return kind.removeprefix("urn:cvm-audit:").replace(":", "/")


def parse_entry(raw: bytes) -> Entry:
    """Read an entry of a known kind.

    Raises ParseError for anything but the canonical form, UnsupportedError for an unknown kind.
    """
    return _parse(raw)


# Many machines run one release. What is kept is what the bytes say, never who signed them.
@lru_cache(maxsize=16)
def _parse(raw: bytes) -> Entry:
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


def parse_release_entry(raw: bytes) -> Entry:
    """Read an entry that must be a release.

    Raises ParseError for an entry of another kind, and what ``parse_entry`` raises.
    """
    entry = parse_entry(raw)
    if not isinstance(entry.content, CvmRelease):
        raise ParseError("predicate type", expected=cvm_release.PREDICATE_TYPE, got=entry.kind)
    return entry


def open_entry(
    entry: Entry, *, publishers: tuple[PublisherKey, ...], threshold: int
) -> AuthenticEntry:
    """Check that at least ``threshold`` of ``publishers`` signed. Raises VerificationError."""
    opened = open_envelope(entry.envelope, publishers=publishers, threshold=threshold)
    return AuthenticEntry(entry.content, opened.keys, entry)


def open_release(
    entry: Entry, *, publishers: tuple[PublisherKey, ...], threshold: int
) -> AuthenticRelease:
    """Check that ``entry`` is a release that at least ``threshold`` of ``publishers`` signed.

    Raises VerificationError, also for an authentic entry of another kind.
    """
    opened = open_entry(entry, publishers=publishers, threshold=threshold)
    if not isinstance(opened.content, CvmRelease):
        raise VerificationError(
            "predicate type", expected=cvm_release.PREDICATE_TYPE, got=entry.kind
        )
    return AuthenticRelease(opened.content, opened.keys, entry)


def open_release_by_identity(entry: Entry, *, identity: AuthenticIdentity) -> AuthenticRelease:
    """Check that ``entry`` is a release, and that its statement is the one ``identity`` signed.

    Raises VerificationError.
    """
    if identity.statement != entry.envelope.payload:
        what = "statement of the release"
        raise VerificationError(what, expected="what the identity signed", got="another")
    if not isinstance(entry.content, CvmRelease):
        raise VerificationError(
            "predicate type", expected=cvm_release.PREDICATE_TYPE, got=entry.kind
        )
    return AuthenticRelease(entry.content, (), entry)
