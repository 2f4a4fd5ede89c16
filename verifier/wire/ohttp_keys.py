"""Key configurations of Oblivious HTTP, and their list (RFC 9458 section 3).

This release encapsulates to DHKEM(X25519, HKDF-SHA256) alone, with each KDF and AEAD of RFC 9180
section 7. What a configuration offers besides is passed over, as the standard demands; a list
with one wrong byte is refused whole, so that no two clients read two lists out of it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from verifier.errors import ParseError, UnsupportedError

__all__ = [
    "AEADS",
    "KDFS",
    "KEM_ID",
    "MAX_CONFIGURATIONS",
    "MAX_OHTTP_KEYS",
    "PUBLIC_KEY_SIZE",
    "OhttpKey",
    "Suite",
    "encode_ohttp_key",
    "encode_ohttp_keys",
    "parse_ohttp_key",
    "parse_ohttp_keys",
]

KEM_ID = 0x0020
"""DHKEM(X25519, HKDF-SHA256), RFC 9180 section 7.1."""

KDFS = {0x0001: "HKDF-SHA256", 0x0002: "HKDF-SHA384", 0x0003: "HKDF-SHA512"}
"""RFC 9180 section 7.2."""

AEADS = {0x0001: "AES-128-GCM", 0x0002: "AES-256-GCM", 0x0003: "ChaCha20Poly1305"}
"""RFC 9180 section 7.3, without the one that only exports."""

PUBLIC_KEY_SIZE = 32
"""Bytes of a public key of ``KEM_ID``."""

MAX_CONFIGURATIONS = 16
"""Most key configurations of a list."""

_MAX_SUITES = 64
_HEAD = struct.Struct("> BH")
_LENGTH = struct.Struct("> H")
_SUITE = struct.Struct("> HH")
_WHAT = "key configuration"
_LIST = "list of key configurations"

MAX_OHTTP_KEYS = MAX_CONFIGURATIONS * 1024
"""Most bytes of a list."""


@dataclass(frozen=True, slots=True, order=True)
class Suite:
    """A symmetric algorithm of a key configuration: identifiers of its KDF and its AEAD."""

    kdf_id: int
    aead_id: int


@dataclass(frozen=True, slots=True)
class OhttpKey:
    """One key configuration for ``KEM_ID``.

    ``raw`` is its encoding as received, without a length before it. ``key_id`` is 0 to 255,
    ``public_key`` has 32 bytes. ``suites`` are those that this release can use, one or more, in
    the order of the gateway's preference.
    """

    raw: bytes
    key_id: int
    public_key: bytes
    suites: tuple[Suite, ...]


def parse_ohttp_key(raw: bytes) -> OhttpKey:
    """Read one key configuration (RFC 9458 section 3.1). Raises ParseError.

    UnsupportedError if its KEM or all of its symmetric algorithms are none of ours.
    """
    if len(raw) < _HEAD.size:
        raise ParseError(_WHAT, expected=f"{_HEAD.size} bytes or more", got=f"{len(raw)} bytes")
    key_id, kem_id = _HEAD.unpack_from(raw)
    if kem_id != KEM_ID:
        # Its public key has a length that we do not know, so nothing behind it can be read.
        got = f"{kem_id:#06x}"
        raise UnsupportedError(f"KEM of the {_WHAT}", expected=f"{KEM_ID:#06x}", got=got)
    start = _HEAD.size + PUBLIC_KEY_SIZE
    if len(raw) < start + _LENGTH.size:
        expected = f"{start + _LENGTH.size} bytes or more"
        raise ParseError(_WHAT, expected=expected, got=f"{len(raw)} bytes")
    (size,) = _LENGTH.unpack_from(raw, start)
    suites = _suites(raw[start + _LENGTH.size :], size)
    return OhttpKey(raw, key_id, raw[_HEAD.size : start], suites)


def encode_ohttp_key(*, key_id: int, public_key: bytes, suites: tuple[Suite, ...]) -> bytes:
    """Write one key configuration, so that ``parse_ohttp_key`` reads the same; else ValueError."""
    encoded = b"".join(_SUITE.pack(suite.kdf_id, suite.aead_id) for suite in suites)
    raw = bytes((key_id,)) + KEM_ID.to_bytes(2, "big") + public_key
    raw += _LENGTH.pack(len(encoded)) + encoded
    try:
        read = parse_ohttp_key(raw)
    except (ParseError, UnsupportedError) as error:
        message = f"not a key configuration: {error}"
        raise ValueError(message) from error
    if (read.public_key, read.suites) != (public_key, suites):
        message = "not a key configuration: some of its suites are not ours"
        raise ValueError(message)
    return raw


def parse_ohttp_keys(raw: bytes) -> tuple[OhttpKey, ...]:
    """Read a list (``application/ohttp-keys``), without the configurations that we cannot use.

    Raises ParseError for any error of encoding, also in one of several configurations (RFC 9458
    section 3.2), and for a key identifier that stands for two keys; UnsupportedError if none is
    left.
    """
    if len(raw) > MAX_OHTTP_KEYS:
        raise ParseError(_LIST, expected=f"at most {MAX_OHTTP_KEYS} bytes", got=f"{len(raw)} bytes")
    encoded = _split(raw)
    keys: list[OhttpKey] = []
    for each in encoded:
        try:
            keys.append(parse_ohttp_key(each))
        except UnsupportedError:
            continue
    if len({key.key_id for key in keys}) != len(keys):
        raise ParseError(_LIST, expected="a key identifier for each key", got="one of them twice")
    if not keys:
        got = f"{len(encoded)} of other kinds"
        raise UnsupportedError(_LIST, expected=f"a key of KEM {KEM_ID:#06x}", got=got)
    return tuple(keys)


def encode_ohttp_keys(keys: tuple[OhttpKey, ...]) -> bytes:
    """Write a list of the keys' very bytes; ValueError if ``parse_ohttp_keys`` would refuse it."""
    raw = b"".join(_LENGTH.pack(len(key.raw)) + key.raw for key in keys)
    try:
        parse_ohttp_keys(raw)
    except (ParseError, UnsupportedError) as error:
        message = f"not a list of key configurations: {error}"
        raise ValueError(message) from error
    return raw


def _split(raw: bytes) -> list[bytes]:
    encoded: list[bytes] = []
    offset = 0
    while offset < len(raw) or not encoded:
        if len(encoded) == MAX_CONFIGURATIONS:
            expected = f"at most {MAX_CONFIGURATIONS} configurations"
            raise ParseError(_LIST, expected=expected, got="more")
        start = offset + _LENGTH.size
        size = int.from_bytes(raw[offset:start], "big")
        if start + size > len(raw):
            expected = f"{_LENGTH.size} bytes of length and as many more as they say"
            raise ParseError(_LIST, expected=expected, got=f"{len(raw) - offset} bytes")
        encoded.append(raw[start : start + size])
        offset = start + size
    return encoded


def _suites(encoded: bytes, size: int) -> tuple[Suite, ...]:
    what = f"symmetric algorithms of the {_WHAT}"
    if size != len(encoded):
        raise ParseError(what, expected=f"{size} bytes", got=f"{len(encoded)}")
    if size % _SUITE.size or not 1 <= size // _SUITE.size <= _MAX_SUITES:
        expected = f"1 to {_MAX_SUITES} of {_SUITE.size} bytes"
        raise ParseError(what, expected=expected, got=f"{size} bytes")
    offered = tuple(Suite(*each) for each in _SUITE.iter_unpack(encoded))
    if len(set(offered)) != len(offered):
        raise ParseError(what, expected="each once", got="one of them twice")
    suites = tuple(each for each in offered if each.kdf_id in KDFS and each.aead_id in AEADS)
    if not suites:
        raise UnsupportedError(what, expected="one of ours", got=f"{len(offered)} others")
    return suites
