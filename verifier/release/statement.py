"""The in-toto Statement that a log entry carries.

Source: in-toto Attestation Framework, spec/v1/statement.md and resource_descriptor.md. Stricter
than it on purpose: a subject has a name and a SHA-256 and nothing else, names are unique, and
unknown members are refused, because what is judged here is the whole document.
"""

from __future__ import annotations

from dataclasses import dataclass

import rfc8785

from verifier.errors import ParseError
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import first_repeated, parse_json

__all__ = [
    "NAME",
    "PAYLOAD_TYPE",
    "ROLE",
    "STATEMENT_TYPE",
    "TEXT",
    "Statement",
    "Subject",
    "canonical_statement",
    "parse_statement",
]

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
"""The DSSE payload type of every entry."""

NAME = r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}"
"""What an artifact may be called: no blank, no control character, no leading dot or slash."""

ROLE = r"[a-z][a-z0-9-]{0,62}"
"""What a role of a machine may be called."""

TEXT = r"[ -~]{1,1024}"
"""Words for people: one line of printable ASCII, so that no terminal can be led astray."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One artifact by its SHA-256 (32 bytes)."""

    name: str
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Statement:
    """Who says nothing yet: subjects, and a predicate of a type that names the entry's kind."""

    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: JsonObject


def parse_statement(payload: bytes) -> Statement:
    """Read a statement. Subjects are refused when empty or named twice. Raises ParseError."""
    members = JsonObject(parse_json(payload, what="statement"), what="statement")
    members.choice("_type", (STATEMENT_TYPE,))
    subjects = tuple(_subject(item) for item in members.objects("subject", minimum=1))
    predicate_type = members.text("predicateType")
    predicate = members.object("predicate")
    members.end()
    _require_unique(subjects)
    return Statement(subjects, predicate_type, predicate)


def _subject(item: JsonObject) -> Subject:
    name = item.text("name", pattern=NAME)
    digest = item.object("digest")
    sha256 = digest.hex("sha256", size=32)
    digest.end()
    item.end()
    return Subject(name, sha256)


def _require_unique(subjects: tuple[Subject, ...]) -> None:
    twice = first_repeated(subject.name for subject in subjects)
    if twice is not None:
        raise ParseError("statement.subject", expected="each name once", got=f"{twice} twice")


def canonical_statement(raw: bytes) -> bytes:
    """The RFC 8785 form of a statement document, which is what a publisher signs.

    Raises ParseError when the document is not JSON of the strict kind.
    """
    return rfc8785.dumps(parse_json(raw, what="statement"))
