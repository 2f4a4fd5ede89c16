"""Timestamped signatures over checkpoints (C2SP tlog-cosignature v1.1.0-rc.1).

A witness, or a log with an ML-DSA-44 key, signs a time together with the checkpoint. The two
types sign different things: Ed25519 (0x04) the whole text of the note, extension lines included,
but not the name of the cosigner; ML-DSA-44 (0x06) the name, origin, size and root, but no
extension lines.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from verifier.errors import UnsupportedError, VerificationError
from verifier.tlog import ed25519
from verifier.tlog.merkle import TreeHead
from verifier.tlog.note import Algorithm, NoteSignature, VerificationKey

__all__ = [
    "MAX_TIMESTAMP",
    "MLDSA44_SIGNATURE_SIZE",
    "ed25519_message",
    "mldsa44_message",
    "verify_timestamped_signature",
]

MAX_TIMESTAMP = 2**63 - 1
"""Latest time of a cosignature, in seconds since the epoch."""

MLDSA44_SIGNATURE_SIZE = 2420
"""Bytes of an ML-DSA-44 signature (FIPS 204, table 2)."""

_TIMESTAMP_SIZE = 8
_SUBTREE_LABEL = b"subtree/v1\n\x00"
_SIGNATURE_SIZES = {
    Algorithm.COSIGNATURE_ED25519: ed25519.SIGNATURE_SIZE,
    Algorithm.COSIGNATURE_MLDSA44: MLDSA44_SIGNATURE_SIZE,
}


def ed25519_message(timestamp: int, note_text: str) -> bytes:
    """What an Ed25519 cosignature (0x04) signs. ``note_text`` ends in its newline.

    ValueError if the timestamp is out of range. Source: "Ed25519 signed message".
    """
    _check_timestamp(timestamp)
    return f"cosignature/v1\ntime {timestamp}\n{note_text}".encode()


def mldsa44_message(
    *, cosigner: str, timestamp: int, origin: str, start: int, end: int, root: bytes
) -> bytes:
    """What an ML-DSA-44 cosignature (0x06) signs: the structure ``cosigned_message``.

    A checkpoint has ``start`` 0 and its size as ``end``. ValueError if a value does not fit its
    field. Source: "ML-DSA-44 signed message".
    """
    _check_timestamp(timestamp)
    if not 0 <= start <= end or (start and timestamp):
        message = f"no subtree: start {start}, end {end}, timestamp {timestamp}"
        raise ValueError(message)
    tree = TreeHead(end, root)
    return b"".join(
        (
            _SUBTREE_LABEL,
            _opaque(cosigner),
            timestamp.to_bytes(8, "big"),
            _opaque(origin),
            start.to_bytes(8, "big"),
            tree.size.to_bytes(8, "big"),
            tree.root,
        )
    )


def verify_timestamped_signature(
    signature: NoteSignature, *, key: VerificationKey, text: str, origin: str, tree: TreeHead
) -> int:
    """Verify one cosignature line over a checkpoint; return its time in seconds since the epoch.

    Time 0 makes no statement about when. Whether a time is acceptable is the caller's decision.
    Raises VerificationError; UnsupportedError if ``key`` is of another type, or of ML-DSA-44 where
    the cryptographic library lacks it.
    """
    what = f"cosignature of {key.name}"
    if key.algorithm not in _SIGNATURE_SIZES:
        got = f"type {key.algorithm:#04x}"
        raise UnsupportedError(f"key {key.name}", expected="a key of type 0x04 or 0x06", got=got)
    size = _TIMESTAMP_SIZE + _SIGNATURE_SIZES[key.algorithm]
    if len(signature.signature) != size:
        got = f"{len(signature.signature)} bytes"
        raise VerificationError(what, expected=f"{size} bytes", got=got)
    timestamp = int.from_bytes(signature.signature[:_TIMESTAMP_SIZE], "big")
    if timestamp > MAX_TIMESTAMP:
        raise VerificationError(what, expected=f"a time up to {MAX_TIMESTAMP}", got=str(timestamp))
    value = signature.signature[_TIMESTAMP_SIZE:]
    if key.algorithm is Algorithm.COSIGNATURE_ED25519:
        message = ed25519_message(timestamp, text)
        ed25519.verify_ed25519(
            public_key=key.public_key, signature=value, message=message, what=what
        )
    else:
        message = mldsa44_message(
            cosigner=key.name,
            timestamp=timestamp,
            origin=origin,
            start=0,
            end=tree.size,
            root=tree.root,
        )
        _verify_mldsa44(key.public_key, value, message, what)
    return timestamp


def _verify_mldsa44(public_key: bytes, signature: bytes, message: bytes, what: str) -> None:
    try:
        MLDSA44PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        got = "a signature that does not verify"
        raise VerificationError(what, expected="a valid ML-DSA-44 signature", got=got) from None
    except UnsupportedAlgorithm:
        expected = "a cryptographic library with ML-DSA-44"
        raise UnsupportedError(what, expected=expected, got="one without") from None


def _check_timestamp(timestamp: int) -> None:
    if not 0 <= timestamp <= MAX_TIMESTAMP:
        message = f"no timestamp: {timestamp}"
        raise ValueError(message)


def _opaque(text: str) -> bytes:
    # TLS presentation language (RFC 8446 section 3.4): opaque<1..2^8-1>.
    value = text.encode()
    if not 1 <= len(value) <= 255:
        message = f"a name of 1 to 255 bytes, not {len(value)}"
        raise ValueError(message)
    return bytes([len(value)]) + value
