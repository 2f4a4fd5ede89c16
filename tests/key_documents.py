"""Keys of the private path as tests give them out: signed, logged, in a document."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from tests.making import Log, entry, publisher
from tests.verifier.release.stating import stated
from verifier.wire.key_configuration import LoggedConfiguration, encode_key_document
from verifier.wire.ohttp import gateway_key
from verifier.wire.ohttp_keys import Suite
from verifier.wire.token_key import encode_token_key

__all__ = [
    "OHTTP",
    "OPERATOR",
    "STRANGER",
    "TOKEN",
    "configuration",
    "key_document",
    "key_entries",
    "keys_section",
]

OPERATOR = publisher("fixtures.invalid/operator", b"O" * 32)
STRANGER = publisher("fixtures.invalid/stranger", b"S" * 32)
OHTTP = gateway_key(key_id=7, secret=b"\x07" * 32, suites=(Suite(1, 1),)).public.raw
# A modulus that is nobody's: these keys are read, and nothing is signed with them.
TOKEN = encode_token_key((1 << 2047) + 0x10001)
_ALGORITHMS = {
    "ohttp": ["AES-128-GCM", "DHKEM(X25519, HKDF-SHA256)", "HKDF-SHA256"],
    "token": ["Blind RSA (2048-bit)"],
    "hpke": ["DHKEM(X25519, HKDF-SHA256)"],
}


def configuration(
    role: str = "gateway", use: str = "ohttp", encoded: bytes = OHTTP, **predicate: Any
) -> dict[str, Any]:
    """A statement with one key; keyword arguments replace members of its predicate."""
    key_id = {"ohttp": encoded[:1], "token": sha256(encoded).digest(), "hpke": b"\x01"}[use]
    key = {
        "name": f"{role}-key",
        "use": use,
        "keyId": key_id.hex(),
        "algorithms": _ALGORITHMS[use],
        "encoded": encoded.hex(),
    }
    whole = {
        "role": role,
        "keys": [key],
        "notBefore": "2026-11-21T00:00:00Z",
        "notAfter": "2026-12-21T00:00:00Z",
    }
    return stated("key-configuration", {f"{role}-key": sha256(encoded).digest()}, whole | predicate)


def key_entries() -> tuple[bytes, bytes]:
    """The gateway's configuration and the issuer's, as the operator has them logged."""
    issuer = configuration("issuer", "token", TOKEN)
    return entry(configuration(), by=OPERATOR), entry(issuer, by=OPERATOR)


def key_document(log: Log, *indices: int) -> bytes:
    """The document with these entries of ``log``, each with its proof."""
    return encode_key_document(
        tuple(LoggedConfiguration(log.entries[index], log.proof(index)) for index in indices)
    )


def keys_section(threshold: int = 1) -> bytes:
    """The section of a policy that takes the operator's keys."""
    publishers = f'["{OPERATOR.key.vkey}"]'
    return f"[keys]\npublishers = {publishers}\npublisher_threshold = {threshold}\n".encode()
