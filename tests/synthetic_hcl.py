"""Synthetic Azure: HCL containers and TPM quotes with our keys, so that wrong ones are signed."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import struct
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from tests.synthetic_amd import synthetic_amd

PCRS = tuple(hashlib.sha256(bytes([index])).digest() for index in range(24))
NONCE = bytes(range(32))
ALL_PCRS = b"\xff\xff\xff"


@functools.cache
def vtpm_key(number: int = 0) -> RSAPrivateKey:
    """Attestation keys of virtual TPMs, one a number."""
    del number
    return generate_private_key(65537, 2048)


def modulus(key: RSAPrivateKey) -> int:
    return key.public_key().public_numbers().n


def jwk(kid: str, use: str, key: RSAPrivateKey | None = None, **changes: Any) -> dict[str, Any]:
    n = modulus(key or vtpm_key()).to_bytes(256)
    text = base64.urlsafe_b64encode(n).decode().rstrip("=")
    return {"kid": kid, "key_ops": [use], "kty": "RSA", "e": "AQAB", "n": text} | changes


def claims(**changes: Any) -> dict[str, Any]:
    """Runtime data as version 2 writes it."""
    document = {
        "keys": [jwk("HCLAkPub", "sign"), jwk("HCLEkPub", "encrypt", vtpm_key(1))],
        "vm-configuration": {"console-enabled": True, "vmUniqueId": "0A", "current-time": 7},
        "user-data": "0A" * 64,
    }
    return {key: value for key, value in (document | changes).items() if value is not ...}


def container(
    runtime: bytes | None = None,
    *,
    report: bytes | None = None,
    header: dict[int, int] | None = None,
    padding: bytes = bytes(100),
) -> bytes:
    """A container; ``header`` replaces 32-bit fields by offset. The report holds the digest."""
    raw = json.dumps(claims()).encode() if runtime is None else runtime
    inner = report
    if inner is None:
        report_data = hashlib.sha256(raw).digest() + bytes(32)
        inner = synthetic_amd().report(report_data=report_data)
    end = 1236 + len(raw)
    head = struct.pack("<4sIIII12x", b"HCLA", 2, end, 2, 0)
    runtime_head = struct.pack("<IIIII", 20 + len(raw), 1, 2, 1, len(raw))
    made = bytearray(head + inner + runtime_head + raw + padding)
    for offset, value in (header or {}).items():
        struct.pack_into("<I", made, offset, value)
    return bytes(made)


def quote(
    *,
    magic: int = 0xFF544347,
    kind: int = 0x8018,
    signer: bytes = b"\x00\x0b" + bytes(32),
    extra: bytes = NONCE,
    safe: int = 1,
    banks: int = 1,
    bank: int = 0x000B,
    select: bytes = ALL_PCRS,
    digest: bytes | None = None,
    tail: bytes = b"",
) -> bytes:
    """A TPMS_ATTEST over ``PCRS``."""
    bits = int.from_bytes(select, "little")
    chosen = [value for index, value in enumerate(PCRS) if bits >> index & 1]
    if digest is None:
        digest = hashlib.sha256(b"".join(chosen)).digest()
    return (
        struct.pack(">IH", magic, kind)
        + struct.pack(">H", len(signer))
        + signer
        + struct.pack(">H", len(extra))
        + extra
        + struct.pack(">QIIBQ", 1000, 2, 3, safe, 4)
        + struct.pack(">IHB", banks, bank, len(select))
        + select
        + struct.pack(">H", len(digest))
        + digest
        + tail
    )


def sign(message: bytes, key: RSAPrivateKey | None = None) -> bytes:
    return (key or vtpm_key()).sign(message, PKCS1v15(), SHA256())
