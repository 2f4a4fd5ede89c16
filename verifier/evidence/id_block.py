"""The ID block and ID authentication that a guest owner gives to SNP_LAUNCH_FINISH.

The firmware launches a guest only if its ID block, signed by the ID key, states the launch digest;
the report then repeats what the block says and the digests of the keys. Source: SNP firmware ABI
(AMD publication 56860), SNP_LAUNCH_FINISH, ID_BLOCK and ID_AUTH_INFO. Integers are little-endian.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP384R1,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from verifier.errors import ParseError, UnsupportedError, VerificationError

__all__ = [
    "ID_AUTHENTICATION_SIZE",
    "ID_BLOCK_SIZE",
    "EcdsaKey",
    "EcdsaSignature",
    "IdAuthentication",
    "IdBlock",
    "parse_id_authentication",
    "parse_id_block",
]

ID_BLOCK_SIZE = 96
"""Bytes of an ID block; all of them are signed."""
ID_AUTHENTICATION_SIZE = 4096
"""Bytes of an ID authentication structure."""

_BLOCK = struct.Struct("< 48s 16s 16s I I Q")
_BLOCK_VERSION = 1
_P384_SHA384 = 1  # ID_KEY_ALGO, AUTHOR_KEY_ALGO
_P384 = 2  # CURVE
_KEY_SIZE = 0x404
_SIGNATURE_SIZE = 512
_INTEGER = 72  # bytes of a coordinate, r or s; P-384 uses 48 of them
_ID_SIGNATURE, _ID_KEY, _AUTHOR_SIGNATURE, _AUTHOR_KEY = 0x40, 0x240, 0x680, 0x880
_RESERVED = ((0x08, 56), (0x644, 60), (0xC84, 892))


@dataclass(frozen=True, slots=True, kw_only=True)
class IdBlock:
    """What the guest owner states of the guest. Sizes as in the report; ``raw`` is 96 bytes."""

    raw: bytes
    launch_digest: bytes
    family_id: bytes
    image_id: bytes
    guest_svn: int
    policy: int


@dataclass(frozen=True, slots=True)
class EcdsaSignature:
    """An ECDSA P-384 signature with SHA-384, as two integers."""

    r: int
    s: int


@dataclass(frozen=True, slots=True)
class EcdsaKey:
    """An ECDSA P-384 public key; ``digest`` is SHA-384 over its structure of 0x404 bytes."""

    raw: bytes
    public_key: EllipticCurvePublicKey

    @property
    def digest(self) -> bytes:
        """What ID_KEY_DIGEST or AUTHOR_KEY_DIGEST of a report holds, 48 bytes."""
        return hashlib.sha384(self.raw).digest()

    def verify_signature(self, signature: EcdsaSignature, message: bytes, *, what: str) -> None:
        """Raises VerificationError unless this key signed ``message``."""
        try:
            self.public_key.verify(
                encode_dss_signature(signature.r, signature.s), message, ECDSA(SHA384())
            )
        except InvalidSignature:
            expected = f"an ECDSA P-384 signature by the key {self.digest.hex()}"
            raise VerificationError(what, expected=expected, got="not one") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdAuthentication:
    """Who signed an ID block. The author key, where there is one, signed the ID key."""

    id_key: EcdsaKey
    id_block_signature: EcdsaSignature
    author_key: EcdsaKey | None
    id_key_signature: EcdsaSignature | None


def parse_id_block(raw: bytes) -> IdBlock:
    """Read an ID block of 96 bytes, version 1. Raises ParseError, UnsupportedError."""
    if len(raw) != ID_BLOCK_SIZE:
        raise ParseError("ID block", expected=f"{ID_BLOCK_SIZE} bytes", got=f"{len(raw)} bytes")
    digest, family_id, image_id, version, guest_svn, policy = _BLOCK.unpack(raw)
    if version != _BLOCK_VERSION:
        raise UnsupportedError("ID block, VERSION", expected="1", got=str(version))
    return IdBlock(
        raw=raw,
        launch_digest=digest,
        family_id=family_id,
        image_id=image_id,
        guest_svn=guest_svn,
        policy=policy,
    )


def parse_id_authentication(raw: bytes) -> IdAuthentication:
    """Read an ID authentication structure of 4096 bytes. Raises ParseError, UnsupportedError."""
    what = "ID authentication"
    if len(raw) != ID_AUTHENTICATION_SIZE:
        expected = f"{ID_AUTHENTICATION_SIZE} bytes"
        raise ParseError(what, expected=expected, got=f"{len(raw)} bytes")
    for start, size in _RESERVED:
        _require_zero(raw, start, size, f"{what}, reserved")
    id_algorithm, author_algorithm = struct.unpack_from("< I I", raw)
    if id_algorithm != _P384_SHA384:
        raise UnsupportedError(f"{what}, ID_KEY_ALGO", expected="1", got=str(id_algorithm))
    if author_algorithm not in (0, _P384_SHA384):
        what = f"{what}, AUTHOR_KEY_ALGO"
        raise UnsupportedError(what, expected="0 or 1", got=str(author_algorithm))
    authored = author_algorithm == _P384_SHA384
    if not authored:
        _require_zero(raw, _AUTHOR_SIGNATURE, _SIGNATURE_SIZE, f"{what}, unused author signature")
        _require_zero(raw, _AUTHOR_KEY, _KEY_SIZE, f"{what}, unused author key")
    return IdAuthentication(
        id_key=_key(raw, _ID_KEY, f"{what}, ID key"),
        id_block_signature=_signature(raw, _ID_SIGNATURE, f"{what}, ID block signature"),
        author_key=_key(raw, _AUTHOR_KEY, f"{what}, author key") if authored else None,
        id_key_signature=(
            _signature(raw, _AUTHOR_SIGNATURE, f"{what}, ID key signature") if authored else None
        ),
    )


def _key(raw: bytes, start: int, what: str) -> EcdsaKey:
    field = raw[start : start + _KEY_SIZE]
    curve = int.from_bytes(field[:4], "little")
    if curve != _P384:
        raise UnsupportedError(f"{what}, curve", expected="2 (P-384)", got=str(curve))
    x, y = _integer(raw, start + 4), _integer(raw, start + 4 + _INTEGER)
    used = 4 + 2 * _INTEGER
    _require_zero(raw, start + used, _KEY_SIZE - used, f"{what}, padding")
    try:
        return EcdsaKey(field, EllipticCurvePublicNumbers(x, y, SECP384R1()).public_key())
    except ValueError:
        raise ParseError(what, expected="a point of P-384", got="not on the curve") from None


def _signature(raw: bytes, start: int, what: str) -> EcdsaSignature:
    used = 2 * _INTEGER
    _require_zero(raw, start + used, _SIGNATURE_SIZE - used, f"{what}, padding")
    return EcdsaSignature(_integer(raw, start), _integer(raw, start + _INTEGER))


def _integer(raw: bytes, start: int) -> int:
    return int.from_bytes(raw[start : start + _INTEGER], "little")


def _require_zero(raw: bytes, start: int, size: int, what: str) -> None:
    field = raw[start : start + size]
    if any(field):
        offset = start + next(place for place, byte in enumerate(field) if byte)
        what = f"{what} at offset {offset:#x}"
        raise ParseError(what, expected="0x00", got=f"{raw[offset]:#04x}")
