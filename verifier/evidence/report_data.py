"""What REPORT_DATA must be when it answers a nonce, or binds a TLS session.

REPORT_DATA is SHA-512 over a domain-separated encoding, so that a value made for one purpose can
never be taken for another (design section 6).
"""

from __future__ import annotations

import hashlib
import struct

__all__ = ["NONCE_SIZE", "report_data_of_nonce", "report_data_of_session"]

NONCE_SIZE = 32
"""Bytes of a nonce."""

_EXPORTER_SIZE = 32
_SHA256_SIZE = 32
_ROLE_SIZE_MAX = 63

_NONCE_DOMAIN = b"cvm-audit/report-data/nonce/v1\x00"
_SESSION_DOMAIN = b"cvm-audit/report-data/attested-tls/v1\x00"


def report_data_of_nonce(nonce: bytes) -> bytes:
    """The 64 bytes of REPORT_DATA that answer ``nonce`` (32 bytes, else ValueError)."""
    if len(nonce) != NONCE_SIZE:
        raise ValueError(f"a nonce has {NONCE_SIZE} bytes, not {len(nonce)}")
    return hashlib.sha512(_NONCE_DOMAIN + nonce).digest()


def report_data_of_session(
    *, exporter: bytes, nonce: bytes, role: str, spki_sha256: bytes, sealing_key_sha256: bytes
) -> bytes:
    """The 64 bytes of REPORT_DATA that bind one TLS session (docs/spec/attested-tls.md).

    ``exporter`` is the 32-byte TLS exporter value over ``nonce`` (32 bytes, from the client after
    the handshake), ``role`` the role that the CVM claims (1 to 63 bytes of UTF-8), ``spki_sha256``
    the SHA-256 of the SubjectPublicKeyInfo of the server's certificate, ``sealing_key_sha256`` that
    of the key that requests of this session are sealed to. Each goes in behind its length (2 bytes,
    big-endian). ValueError for any other size.
    """
    name = role.encode("utf-8")
    for what, value, fewest, most in (
        ("an exporter value", exporter, _EXPORTER_SIZE, _EXPORTER_SIZE),
        ("a nonce", nonce, NONCE_SIZE, NONCE_SIZE),
        ("a role", name, 1, _ROLE_SIZE_MAX),
        ("a SHA-256", spki_sha256, _SHA256_SIZE, _SHA256_SIZE),
        ("a SHA-256", sealing_key_sha256, _SHA256_SIZE, _SHA256_SIZE),
    ):
        if not fewest <= len(value) <= most:
            raise ValueError(f"{what} has {fewest} to {most} bytes, not {len(value)}")
    fields = (exporter, nonce, name, spki_sha256, sealing_key_sha256)
    encoded = b"".join(struct.pack("> H", len(field)) + field for field in fields)
    return hashlib.sha512(_SESSION_DOMAIN + encoded).digest()
