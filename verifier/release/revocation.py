"""``revocation/v1``: what no longer counts, why, and since when.

Source: design section 4; schemas/revocation.v1.schema.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from verifier.errors import ParseError
from verifier.release.members import read_vkey
from verifier.release.publisher import PublisherKey
from verifier.release.statement import NAME, TEXT, Statement
from verifier.release.subject import take_subject
from verifier.tlog.json_object import JsonObject

__all__ = ["PREDICATE_TYPE", "REASONS", "SORTS", "Revocation", "Withdrawn", "parse_revocation"]

PREDICATE_TYPE = "urn:cvm-audit:revocation:v1"

SORTS = ("configured-key", "entry", "host", "signing-key")
"""What can be withdrawn; see ``Withdrawn``."""

REASONS = ("ceased", "compromised", "mistake", "superseded", "vulnerable")
"""Why. ``compromised``: somebody else may hold or control it; ``vulnerable``: it has a known
hole; ``superseded``: something newer takes its place; ``mistake``: it should never have been
logged; ``ceased``: its operator gave it up."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """One thing withdrawn.

    ``digest`` (32 bytes) is, by ``sort``: ``entry`` the SHA-256 of the bytes of a log entry;
    ``configured-key`` that of the bytes of a key of a ``key-configuration``; ``host`` a host
    digest; ``signing-key`` the SHA-256 of the text of ``key``, which only this sort has.
    """

    name: str
    sort: str
    digest: bytes
    key: PublisherKey | None


@dataclass(frozen=True, slots=True)
class Revocation:
    """``withdrawn`` must not be relied upon since ``since``."""

    withdrawn: tuple[Withdrawn, ...]
    reason: str
    text: str
    since: datetime


def parse_revocation(statement: Statement) -> Revocation:
    """Read the predicate and join each thing withdrawn with its subject. Raises ParseError."""
    predicate = statement.predicate
    subjects = {subject.name: subject.sha256 for subject in statement.subjects}
    revocation = Revocation(
        withdrawn=tuple(
            _withdrawn(item, subjects) for item in predicate.objects("withdrawn", minimum=1)
        ),
        reason=predicate.choice("reason", REASONS),
        text=predicate.text("text", pattern=TEXT),
        since=predicate.timestamp("since"),
    )
    predicate.end()
    if subjects:  # each thing withdrawn took its subject
        got = f"none for {next(iter(subjects))}"
        raise ParseError("statement.subject", expected="a thing withdrawn for each", got=got)
    return revocation


def _withdrawn(item: JsonObject, subjects: dict[str, bytes]) -> Withdrawn:
    subject = take_subject(item, subjects, pattern=NAME)
    sort = item.choice("sort", SORTS)
    # A keyid has four bytes of hash, which can be matched by trying: the whole key is named.
    key = read_vkey(item, "key") if sort == "signing-key" else None
    item.end()
    if key is not None and subject.sha256 != (digest := sha256(str(key.vkey).encode()).digest()):
        what = f"statement.subject {subject.name}"
        raise ParseError(what, expected=digest.hex(), got=subject.sha256.hex())
    return Withdrawn(subject.name, sort, subject.sha256, key)
