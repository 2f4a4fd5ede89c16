"""A release proof that must not be believed, and that nothing but its signatures betrays."""

from __future__ import annotations

import base64

from verifier.errors import ParseError
from verifier.tlog.strict import parse_base64, parse_utf8

__all__ = ["corrupted_proof"]

_DASH = "— "  # begins each line of a signature (C2SP signed-note)


def corrupted_proof(proof: bytes) -> bytes:
    """The .tlog-proof with one bit changed in every signature of its checkpoint.

    Index, hashes, size and root stay right: only a guest that verifies the signature of the log
    has a reason to refuse it. Raises ParseError for a proof without signatures.
    """
    head, blank, signatures = proof.rpartition(b"\n\n")
    lines = parse_utf8(signatures, what="signatures of the proof").splitlines()
    if not blank or not lines or not all(line.startswith(_DASH) for line in lines):
        raise ParseError("proof", expected="signatures of a checkpoint", got="none at its end")
    return head + blank + "".join(f"{_corrupted(line)}\n" for line in lines).encode()


def _corrupted(line: str) -> str:
    name, _, text = line.rpartition(" ")
    signature = parse_base64(text, what="signature of the proof")
    if not signature:
        raise ParseError("signature of the proof", expected="its bytes", got="none")
    changed = signature[:-1] + bytes((signature[-1] ^ 1,))
    return f"{name} {base64.b64encode(changed).decode('ascii')}"
