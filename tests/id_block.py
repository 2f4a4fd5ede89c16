"""ID blocks as a guest owner makes them, with keys of the tests."""

from __future__ import annotations

import functools
import struct

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP384R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

__all__ = ["encode_id_authentication", "encode_id_block", "encode_key", "owner_key"]


@functools.cache
def owner_key(name: str) -> EllipticCurvePrivateKey:
    """A key for each ``name``, the same for as long as the tests run."""
    del name
    return generate_private_key(SECP384R1())


def encode_id_block(
    launch_digest: bytes,
    *,
    family_id: bytes = bytes(16),
    image_id: bytes = bytes(16),
    version: int = 1,
    guest_svn: int = 0,
    policy: int = 0x30000,
) -> bytes:
    """The 96 bytes of an ID block."""
    return launch_digest + family_id + image_id + struct.pack("<IIQ", version, guest_svn, policy)


def encode_key(key: EllipticCurvePrivateKey) -> bytes:
    """The 0x404 bytes of a public key."""
    numbers = key.public_key().public_numbers()
    point = numbers.x.to_bytes(72, "little") + numbers.y.to_bytes(72, "little")
    return (struct.pack("<I", 2) + point).ljust(0x404, b"\0")


def _signature(key: EllipticCurvePrivateKey, message: bytes) -> bytes:
    r, s = decode_dss_signature(key.sign(message, ECDSA(SHA384())))
    return (r.to_bytes(72, "little") + s.to_bytes(72, "little")).ljust(512, b"\0")


def encode_id_authentication(
    block: bytes,
    *,
    id_key: EllipticCurvePrivateKey,
    author_key: EllipticCurvePrivateKey | None = None,
) -> bytes:
    """The 4096 bytes of an ID authentication structure over ``block``."""
    head = struct.pack("<II", 1, 0 if author_key is None else 1).ljust(0x40, b"\0")
    raw = head + _signature(id_key, block) + encode_key(id_key)
    if author_key is not None:
        raw = raw.ljust(0x680, b"\0") + _signature(author_key, encode_key(id_key))
        raw += encode_key(author_key)
    return raw.ljust(4096, b"\0")
