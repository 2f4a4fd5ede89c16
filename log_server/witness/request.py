"""The body of ``POST /add-checkpoint`` (C2SP tlog-witness).

::

    old <size>
    <base64 of a hash>      0 to 63 lines: the consistency proof
                            an empty line
    <signed checkpoint>

Strict, because lenient ones exist: ``old 020`` and CRLF are refused.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from verifier.errors import ParseError
from verifier.tlog.checkpoint import Checkpoint, parse_checkpoint
from verifier.tlog.merkle import HASH_SIZE
from verifier.tlog.note import SignedNote, parse_note
from verifier.tlog.strict import excerpt, parse_base64, parse_decimal, parse_utf8

__all__ = [
    "MAX_BODY",
    "MAX_PROOF",
    "SIZE_MEDIA_TYPE",
    "AddCheckpoint",
    "encode_add_checkpoint",
    "parse_add_checkpoint",
]

MAX_BODY = 2**17
"""Largest body in bytes: room for more than 16 signatures of ML-DSA-44."""

MAX_PROOF = 63
"""Most hashes of a consistency proof (C2SP tlog-witness)."""

SIZE_MEDIA_TYPE = "text/x.tlog.size"
"""Of the answer 409, which says the size that was cosigned last."""

_OLD = "old "


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCheckpoint:
    """A well-formed request, believed by no one. ``old`` is at most the size of ``checkpoint``."""

    old: int
    proof: tuple[bytes, ...]
    note: SignedNote
    checkpoint: Checkpoint


def parse_add_checkpoint(body: bytes) -> AddCheckpoint:
    """Read a request. Raises ParseError."""
    if len(body) > MAX_BODY:
        expected = f"at most {MAX_BODY} bytes"
        raise ParseError("request", expected=expected, got=f"{len(body)} bytes")
    head, blank, rest = body.partition(b"\n\n")
    if not blank:
        expected = "old size, proof, an empty line and a checkpoint"
        raise ParseError("request", expected=expected, got=excerpt(body))
    first, *lines = parse_utf8(head, what="request").split("\n")
    if not first.startswith(_OLD):
        raise ParseError("first line of the request", expected="old <size>", got=excerpt(first))
    old = parse_decimal(first.removeprefix(_OLD), what="old size")
    if len(lines) > MAX_PROOF:
        expected = f"at most {MAX_PROOF} hashes"
        raise ParseError("consistency proof", expected=expected, got=f"{len(lines)} lines")
    what = "hash of the consistency proof"
    proof = tuple(parse_base64(line, what=what, size=HASH_SIZE) for line in lines)
    note = parse_note(rest)
    checkpoint = parse_checkpoint(note)
    if old > checkpoint.tree.size:
        expected = f"at most {checkpoint.tree.size}, the size of the checkpoint"
        raise ParseError("old size", expected=expected, got=str(old))
    return AddCheckpoint(old=old, proof=proof, note=note, checkpoint=checkpoint)


def encode_add_checkpoint(*, old: int, proof: tuple[bytes, ...], checkpoint: bytes) -> bytes:
    """Write a request: the exact inverse of ``parse_add_checkpoint``."""
    lines = "".join(f"{base64.b64encode(value).decode('ascii')}\n" for value in proof)
    return f"{_OLD}{old}\n{lines}\n".encode() + checkpoint
