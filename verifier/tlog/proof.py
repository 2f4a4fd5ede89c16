"""Proofs that travel: an entry's place in a log, checkable offline (C2SP tlog-proof).

The file holds the index, the hashes of the inclusion proof and a checkpoint, verbatim. The size
and the root come only from the signed checkpoint. ``extra`` is authenticated by nothing.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from verifier.errors import ParseError, UnsupportedError
from verifier.tlog.cosignature import (
    CosignedCheckpoint,
    open_cosignatures,
    open_policy_checkpoint,
)
from verifier.tlog.merkle import HASH_SIZE, MAX_PROOF_HASHES, leaf_hash, verify_inclusion
from verifier.tlog.note import MAX_NOTE_SIZE
from verifier.tlog.policy import TlogPolicy
from verifier.tlog.strict import excerpt, parse_base64, parse_decimal, parse_utf8

__all__ = [
    "MAX_EXTRA_SIZE",
    "MAX_PROOF_SIZE",
    "AuthenticInclusion",
    "TlogProof",
    "encode_tlog_proof",
    "parse_tlog_proof",
    "verify_tlog_proof",
]

MAX_EXTRA_SIZE = 2**16
"""Most extra bytes of a proof, before base64."""

MAX_PROOF_SIZE = MAX_NOTE_SIZE + 2 * MAX_EXTRA_SIZE
"""Largest proof file, in bytes."""

_HEADER = "c2sp.org/tlog-proof@v1"
_UNSUPPORTED_PREFIX = "c2sp.org/tlog-proof@"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlogProof:
    """A well-formed proof, believed by no one.

    ``hashes`` go from the sibling of the leaf to the child of the root, each of 32 bytes.
    ``checkpoint_raw`` is as received. ``extra`` is None if absent, and never empty.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint_raw: bytes
    extra: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticInclusion:
    """An entry that is in a cosigned tree. Made by ``verify_tlog_proof``."""

    entry: bytes
    index: int
    cosigned: CosignedCheckpoint


def parse_tlog_proof(raw: bytes) -> TlogProof:
    """Read a proof file up to its checkpoint, whose own door is ``open_policy_checkpoint``.

    Raises ParseError; UnsupportedError for another version of the format.
    """
    if len(raw) > MAX_PROOF_SIZE:
        got = f"{len(raw)} bytes"
        raise ParseError("proof", expected=f"at most {MAX_PROOF_SIZE} bytes", got=got)
    head, blank, checkpoint_raw = raw.partition(b"\n\n")
    if not blank:
        raise ParseError("proof", expected="a blank line before the checkpoint", got="none")
    lines = parse_utf8(head, what="proof").split("\n")
    _check_header(lines.pop(0))
    extra = _parse_extra(lines.pop(0)) if lines and lines[0].startswith("extra ") else None
    index = _parse_index(lines.pop(0) if lines else "")
    if len(lines) > MAX_PROOF_HASHES:
        expected = f"at most {MAX_PROOF_HASHES} hashes"
        raise ParseError("proof", expected=expected, got=f"{len(lines)} hashes")
    hashes = tuple(parse_base64(line, what="hash of the proof", size=HASH_SIZE) for line in lines)
    return TlogProof(index=index, hashes=hashes, checkpoint_raw=checkpoint_raw, extra=extra)


def encode_tlog_proof(proof: TlogProof) -> bytes:
    """Write a proof file, so that ``parse_tlog_proof`` gives back the same.

    ValueError if no file can hold it.
    """
    extra = [] if proof.extra is None else [f"extra {_base64(proof.extra)}"]
    hashes = [_base64(value) for value in proof.hashes]
    lines = [_HEADER, *extra, f"index {proof.index}", *hashes, "", ""]
    raw = "\n".join(lines).encode("ascii") + proof.checkpoint_raw
    try:
        parse_tlog_proof(raw)
    except ParseError as error:
        message = f"not a proof: {error}"
        raise ValueError(message) from error
    return raw


def verify_tlog_proof(proof: TlogProof, *, entry: bytes, policy: TlogPolicy) -> AuthenticInclusion:
    """Verify that ``entry`` is in a log of ``policy``, under a checkpoint that meets its quorum.

    In this order: leaf hash, origin and log signature, witness quorum, inclusion. Times of
    cosignatures are not judged. Raises ParseError (the checkpoint) and VerificationError.
    """
    leaf = leaf_hash(entry)
    signed = open_policy_checkpoint(proof.checkpoint_raw, policy=policy)
    cosigned = open_cosignatures(signed, policy=policy)
    verify_inclusion(leaf=leaf, index=proof.index, proof=proof.hashes, tree=cosigned.tree)
    return AuthenticInclusion(entry=entry, index=proof.index, cosigned=cosigned)


def _check_header(line: str) -> None:
    if line != _HEADER:
        if line.startswith(_UNSUPPORTED_PREFIX):
            raise UnsupportedError("proof", expected=_HEADER, got=excerpt(line))
        raise ParseError("header of the proof", expected=_HEADER, got=excerpt(line))


def _parse_extra(line: str) -> bytes:
    what = "extra of the proof"
    extra = parse_base64(line.removeprefix("extra "), what=what)
    if not 1 <= len(extra) <= MAX_EXTRA_SIZE:
        expected = f"1 to {MAX_EXTRA_SIZE} bytes, or no extra line"
        raise ParseError(what, expected=expected, got=f"{len(extra)} bytes")
    return extra


def _parse_index(line: str) -> int:
    if not line.startswith("index "):
        raise ParseError("index of the proof", expected="index <decimal>", got=excerpt(line))
    return parse_decimal(line.removeprefix("index "), what="index of the proof")


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
