"""What a key CDN gives to everyone: logged key configurations, each with its proof.

A key CDN handles bytes alone: entries of the kind ``key-configuration/v1`` as they were logged, and
their ``.tlog-proof``. A client finds every key in the logged bytes themselves, so that there is no
second copy that could differ. The document is ``MAGIC`` and, for each configuration, entry and
proof, each behind its length (4 bytes, big-endian). Source: design section 6;
docs/spec/private-path.md.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from verifier.errors import ParseError, UnsupportedError
from verifier.tlog.proof import MAX_PROOF_SIZE
from verifier.tlog.strict import excerpt

__all__ = [
    "KEYS_MEDIA_TYPE",
    "KEYS_PATH",
    "MAGIC",
    "MAX_CONFIGURATIONS",
    "MAX_ENTRY",
    "MAX_KEY_DOCUMENT",
    "LoggedConfiguration",
    "encode_key_document",
    "parse_key_document",
]

KEYS_PATH = "/.well-known/cvm-audit/keys"
KEYS_MEDIA_TYPE = "application/vnd.cvm-audit.keys"

MAGIC = b"CVMKEYS1"
"""First bytes of a document; the last digit is its version."""

MAX_ENTRY = 65_535
"""Most bytes of an entry of the log."""

MAX_CONFIGURATIONS = 8
"""Most key configurations of a document."""

_LENGTH = struct.Struct("> I")
_WHAT = "key document"

MAX_KEY_DOCUMENT = len(MAGIC) + MAX_CONFIGURATIONS * (2 * _LENGTH.size + MAX_ENTRY + MAX_PROOF_SIZE)
"""Most bytes of a document; a client stops reading there."""


@dataclass(frozen=True, slots=True)
class LoggedConfiguration:
    """One key configuration: the bytes of its ``entry``, and its ``proof``; believed by no one."""

    entry: bytes
    proof: bytes


def encode_key_document(configurations: tuple[LoggedConfiguration, ...]) -> bytes:
    """Write a document, so that ``parse_key_document`` gives back the same; else ValueError."""
    fields = (field for each in configurations for field in (each.entry, each.proof))
    raw = MAGIC + b"".join(_LENGTH.pack(len(field)) + field for field in fields)
    try:
        parse_key_document(raw)
    except ParseError as error:
        message = f"not a key document: {error}"
        raise ValueError(message) from error
    return raw


def parse_key_document(raw: bytes) -> tuple[LoggedConfiguration, ...]:
    """Read 1 to 8 configurations, none of them twice.

    Raises ParseError; UnsupportedError for another version of the format.
    """
    if len(raw) > MAX_KEY_DOCUMENT:
        expected = f"at most {MAX_KEY_DOCUMENT} bytes"
        raise ParseError(_WHAT, expected=expected, got=f"{len(raw)} bytes")
    magic = raw[: len(MAGIC)]
    if magic != MAGIC:
        error = UnsupportedError if magic[:-1] == MAGIC[:-1] else ParseError
        raise error(_WHAT, expected=repr(MAGIC), got=excerpt(magic))
    configurations: list[LoggedConfiguration] = []
    offset = len(MAGIC)
    while offset < len(raw) or not configurations:
        if len(configurations) == MAX_CONFIGURATIONS:
            expected = f"at most {MAX_CONFIGURATIONS} configurations"
            raise ParseError(_WHAT, expected=expected, got="more")
        entry, offset = _field(raw, offset, "entry", MAX_ENTRY)
        proof, offset = _field(raw, offset, "proof", MAX_PROOF_SIZE)
        configurations.append(LoggedConfiguration(entry, proof))
    if len({each.entry for each in configurations}) != len(configurations):
        raise ParseError(_WHAT, expected="distinct entries", got="one of them twice")
    return tuple(configurations)


def _field(raw: bytes, offset: int, name: str, most: int) -> tuple[bytes, int]:
    what = f"{name} of the {_WHAT}"
    start = offset + _LENGTH.size
    if start > len(raw):
        got = f"{len(raw) - offset}"
        raise ParseError(what, expected=f"{_LENGTH.size} bytes of length", got=got)
    (size,) = _LENGTH.unpack_from(raw, offset)
    if not 1 <= size <= most:
        raise ParseError(what, expected=f"1 to {most} bytes", got=f"{size}")
    if start + size > len(raw):
        raise ParseError(what, expected=f"{size} bytes", got=f"{len(raw) - start}")
    return raw[start : start + size], start + size
