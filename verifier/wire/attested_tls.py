"""Attested TLS: the evidence that a CVM gives inside a TLS 1.3 session, for that session alone.

After the handshake the client posts a nonce of 32 bytes, and the answer is an *evidence answer*:
``MAGIC`` and six fields, each behind its length (4 bytes, big-endian): role, attestation report,
certificate table, release entry, proof of the release, sealing key. The report's REPORT_DATA binds
the session and that key (``verifier.evidence.report_data``). Source: design section 6;
docs/spec/attested-tls.md.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from verifier.errors import ParseError, UnsupportedError
from verifier.tlog.proof import MAX_PROOF_SIZE
from verifier.tlog.strict import excerpt, parse_utf8
from verifier.wire.sealed import SEALING_KEY_SIZE

__all__ = [
    "EVIDENCE_MEDIA_TYPE",
    "EVIDENCE_PATH",
    "EXPORTER_LABEL",
    "EXPORTER_SIZE",
    "MAGIC",
    "MAX_EVIDENCE",
    "NONCE_MEDIA_TYPE",
    "NONCE_SIZE",
    "REPORT_SIZE",
    "ROLE",
    "EvidenceAnswer",
    "encode_evidence",
    "parse_evidence",
]

EVIDENCE_PATH = "/.well-known/cvm-audit/evidence"
EVIDENCE_MEDIA_TYPE = "application/vnd.cvm-audit.evidence"
NONCE_MEDIA_TYPE = "application/octet-stream"

NONCE_SIZE = 32
"""Bytes of the nonce, which is the whole body of the request."""

EXPORTER_LABEL = b"EXPORTER-cvm-audit-attested-tls-v1"
"""Label of the TLS exporter (RFC 8446 section 7.5); its context is the nonce."""

EXPORTER_SIZE = 32
"""Bytes taken from the exporter."""

ROLE = r"[a-z][a-z0-9-]{0,62}"
"""What a role may be called, as in a release."""

MAGIC = b"CVMATLS1"
"""First bytes of an evidence answer; the last digit is its version."""

REPORT_SIZE = 1184
"""Bytes of an SEV-SNP attestation report (SNP firmware ABI, ATTESTATION_REPORT)."""

_LIMITS = (
    ("role", 1, 63),
    ("report", REPORT_SIZE, REPORT_SIZE),
    ("certificate table", 0, 65_536),
    ("release entry", 1, 65_535),
    ("release proof", 1, MAX_PROOF_SIZE),
    ("sealing key", SEALING_KEY_SIZE, SEALING_KEY_SIZE),
)  # name, fewest and most bytes, in the order of the format
_LENGTH = struct.Struct("> I")

MAX_EVIDENCE = len(MAGIC) + sum(_LENGTH.size + most for _, _, most in _LIMITS)
"""Most bytes of an evidence answer; a client stops reading there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceAnswer:
    """What a CVM says of itself in one session; believed by no one.

    ``report`` has 1184 bytes. ``certificate_table`` may be empty: then the client needs another
    source for the certificate of the key that signed the report. ``release_entry`` and
    ``release_proof`` are the logged bytes and their ``.tlog-proof``. ``sealing_key`` (1216 bytes)
    is what requests of this session are sealed to.
    """

    role: str
    report: bytes
    certificate_table: bytes
    release_entry: bytes
    release_proof: bytes
    sealing_key: bytes


def encode_evidence(answer: EvidenceAnswer) -> bytes:
    """Write an answer, so that ``parse_evidence`` gives back the same; ValueError if none can."""
    fields = (
        answer.role.encode("utf-8"),
        answer.report,
        answer.certificate_table,
        answer.release_entry,
        answer.release_proof,
        answer.sealing_key,
    )
    raw = MAGIC + b"".join(_LENGTH.pack(len(field)) + field for field in fields)
    try:
        parse_evidence(raw)
    except ParseError as error:
        message = f"not an evidence answer: {error}"
        raise ValueError(message) from error
    return raw


def parse_evidence(raw: bytes) -> EvidenceAnswer:
    """Read an answer. Raises ParseError; UnsupportedError for another version of the format."""
    magic = raw[: len(MAGIC)]
    if magic != MAGIC:
        error = UnsupportedError if magic[:-1] == MAGIC[:-1] else ParseError
        raise error("evidence answer", expected=repr(MAGIC), got=excerpt(magic))
    fields, offset = [], len(MAGIC)
    for name, fewest, most in _LIMITS:
        field = _field(raw, offset, name, fewest, most)
        fields.append(field)
        offset += _LENGTH.size + len(field)
    if offset != len(raw):
        got = f"{len(raw) - offset} more"
        raise ParseError("evidence answer", expected=f"{offset} bytes", got=got)
    role, report, certificate_table, release_entry, release_proof, sealing_key = fields
    return EvidenceAnswer(
        role=_role(role),
        report=report,
        certificate_table=certificate_table,
        release_entry=release_entry,
        release_proof=release_proof,
        sealing_key=sealing_key,
    )


def _field(raw: bytes, offset: int, name: str, fewest: int, most: int) -> bytes:
    what = f"{name} of the evidence answer"
    start = offset + _LENGTH.size
    if start > len(raw):
        got = f"{len(raw) - offset}"
        raise ParseError(what, expected=f"{_LENGTH.size} bytes of length", got=got)
    (size,) = _LENGTH.unpack_from(raw, offset)
    if not fewest <= size <= most:
        expected = f"{most} bytes" if fewest == most else f"{fewest} to {most} bytes"
        raise ParseError(what, expected=expected, got=f"{size}")
    if start + size > len(raw):
        raise ParseError(what, expected=f"{size} bytes", got=f"{len(raw) - start}")
    return raw[start : start + size]


def _role(raw: bytes) -> str:
    what = "role of the evidence answer"
    role = parse_utf8(raw, what=what)
    if re.fullmatch(ROLE, role, re.ASCII) is None:
        raise ParseError(what, expected=f"text like {ROLE}", got=excerpt(role))
    return role
