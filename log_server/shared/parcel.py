"""Submissions and errors as bytes, on their way between front ends and the sequencer. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from log_server.errors import (
    AdmissionError,
    BusyError,
    ClockError,
    DiskSpaceError,
    PolicyRefusalError,
    QuorumError,
    StoppedError,
)
from verifier.errors import AuditError, ParseError
from verifier.tlog.strict import parse_utf8
from verifier.tlog.tile import encode_bundle, parse_bundle

__all__ = ["encode_error", "encode_parcel", "parse_error", "parse_parcel"]

_MAX_FIELD = 4000
_KINDS: dict[str, type[AuditError]] = {
    kind.__name__: kind
    for kind in (
        AdmissionError,
        BusyError,
        ClockError,
        DiskSpaceError,
        PolicyRefusalError,
        QuorumError,
        StoppedError,
    )
}


def encode_parcel(submissions: Sequence[Sequence[bytes]]) -> tuple[tuple[int, ...], bytes]:
    """Entries of each submission, and all entries as in an entry bundle (C2SP tlog-tiles)."""
    entries = (entry for submission in submissions for entry in submission)
    raw = b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
    return tuple(map(len, submissions)), raw


def parse_parcel(counts: Sequence[int], raw: bytes) -> tuple[tuple[bytes, ...], ...]:
    """The submissions of a parcel. Raises ParseError, for an empty entry or submission too."""
    if not counts or min(counts) < 1:
        raise ParseError("parcel", expected="submissions of entries", got="an empty one")
    entries = parse_bundle(raw, width=sum(counts))
    if not all(entries):
        raise ParseError("parcel", expected="entries of 1 to 65,535 bytes", got="an empty one")
    rest = iter(entries)
    return tuple(tuple(islice(rest, count)) for count in counts)


def encode_error(error: AuditError) -> bytes:
    """An error that a submitter is told, with its class."""
    name = type(error).__name__
    fields = (name if name in _KINDS else "StoppedError", error.what, error.expected)
    texts = (*fields, error.got, error.hint)
    return encode_bundle([_clipped(text) for text in texts])


def parse_error(raw: bytes) -> AuditError:
    """The error again. Raises ParseError."""
    name, what, expected, got, hint = (
        parse_utf8(field, what="error of the sequencer") for field in parse_bundle(raw, width=5)
    )
    if name not in _KINDS:
        raise ParseError("error of the sequencer", expected=" or ".join(_KINDS), got=name)
    return _KINDS[name](what, expected=expected, got=got, hint=hint)


def _clipped(text: str) -> bytes:
    return text[:_MAX_FIELD].encode("utf-8", "backslashreplace")
