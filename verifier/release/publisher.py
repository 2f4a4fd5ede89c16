"""Keys of publishers: who may sign what is logged.

A publisher key is written as a C2SP verification key (``name+hash+base64``), so that one strict
reader and one text form serve logs, witnesses and publishers. It is of type Ed25519 (01), or of
type ECDSA (02) and then on the curve P-256. Its DSSE ``keyid`` is the name and the key ID,
``name+hash``.
"""

from __future__ import annotations

from dataclasses import dataclass

from verifier.errors import UnsupportedError
from verifier.release.p256 import parse_p256_key, verify_p256
from verifier.tlog.ed25519 import verify_ed25519
from verifier.tlog.note import Algorithm, VerificationKey, parse_vkey

__all__ = ["PublisherKey", "parse_publisher_key", "verify_publisher_signature"]


@dataclass(frozen=True, slots=True)
class PublisherKey:
    """A key that may sign releases: ``vkey`` is of type Ed25519 (01), or ECDSA (02) on P-256."""

    vkey: VerificationKey

    @property
    def keyid(self) -> str:
        """The DSSE ``keyid`` of this key."""
        return f"{self.vkey.name}+{self.vkey.key_id.hex()}"


def parse_publisher_key(text: str) -> PublisherKey:
    """Read a publisher key. Raises ParseError, or UnsupportedError for another algorithm."""
    vkey = parse_vkey(text)
    if vkey.algorithm not in (Algorithm.ED25519, Algorithm.ECDSA):
        raise UnsupportedError(
            f"publisher key {vkey.name}",
            expected="Ed25519 (type 01) or ECDSA P-256 (type 02)",
            got=f"type {vkey.algorithm:02x}",
        )
    if vkey.algorithm is Algorithm.ECDSA:
        parse_p256_key(vkey.public_key, what=f"publisher key {vkey.name}")
    return PublisherKey(vkey)


def verify_publisher_signature(key: PublisherKey, *, message: bytes, signature: bytes) -> None:
    """Raise VerificationError unless ``key`` signed ``message``.

    Ed25519 (RFC 8032) signatures are 64 bytes; those of ECDSA are DER (``verifier.release.p256``).
    """
    what = f"signature of {key.keyid}"
    public_key = key.vkey.public_key
    if key.vkey.algorithm is Algorithm.ECDSA:
        verify_p256(spki=public_key, signature=signature, message=message, what=what)
    else:
        verify_ed25519(public_key=public_key, signature=signature, message=message, what=what)
