"""Sealed requests and responses: what even the end of the TLS session should not read alone.

Inside an attested TLS session the client seals each request to a key that the CVM made for this
session and whose SHA-256 its REPORT_DATA binds. The request carries a fresh public key of the
client, and the response is sealed to that one. HPKE (RFC 9180) in base mode, single shot, with the
hybrid KEM MLKEM768-X25519 (draft-ietf-hpke-pq), HKDF-SHA256 and AES-256-GCM; its ``info`` binds the
session, the direction, the place in the session and, for a response, the very request. Contents are
padded to buckets, so that a length says only which bucket. Source: design section 6;
docs/spec/sealed.md.

Keys are made by their owners. The library takes the randomness of an encapsulation from the system;
that is the one thing here that is not a function of the arguments.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from verifier.errors import ParseError, VerificationError
from verifier.tlog.strict import excerpt, parse_utf8

__all__ = [
    "BUCKETS",
    "MAX_RESPONSE",
    "MAX_SEALED",
    "PATH",
    "SEALED_MEDIA_TYPE",
    "SEALED_PATH",
    "SEALING_KEY_SIZE",
    "SealedSession",
    "SealingKey",
    "SealingPublicKey",
    "Unsealed",
    "open_request",
    "open_response",
    "parse_sealing_key",
    "seal_request",
    "seal_response",
]

SEALED_PATH = "/v1/sealed"
SEALED_MEDIA_TYPE = "application/vnd.cvm-audit.sealed"

PATH = r"/[a-z0-9/.-]{1,63}"
"""What a request may ask for inside its seal."""

_ML_KEM_SIZE = 1184  # FIPS 203, table 3: encapsulation key of ML-KEM-768
_X25519_SIZE = 32
SEALING_KEY_SIZE = _ML_KEM_SIZE + _X25519_SIZE
"""Bytes of a public key: the encapsulation key of ML-KEM-768, then the X25519 key."""

BUCKETS = tuple(1 << power for power in range(10, 21))
"""Lengths that a padded content may have: the powers of two from 1 KiB to 1 MiB."""

_ANY_SCALAR = X25519PrivateKey.from_private_bytes(bytes(range(_X25519_SIZE)))  # no secret
_KEM = hpke.KEM.MLKEM768_X25519
_SUITE = hpke.Suite(_KEM, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_OVERHEAD = _KEM.enc_length() + 16  # the encapsulation and the tag of AES-GCM

MAX_SEALED = BUCKETS[-1] + _OVERHEAD
"""Most bytes of a sealed request or response."""

MAX_RESPONSE = BUCKETS[-1] - 6
"""Most bytes of the content of a response: beside it there are its length and its status."""

_REQUEST = b"cvm-audit/sealed/request/v1\x00"
_RESPONSE = b"cvm-audit/sealed/response/v1\x00"
_LENGTH = struct.Struct("> I")
_SHORT = struct.Struct("> H")


@dataclass(frozen=True, slots=True)
class SealingPublicKey:
    """Whom something is sealed to. ``raw`` has 1216 bytes. Made by ``parse_sealing_key``."""

    raw: bytes
    key: hpke.MLKEM768X25519PublicKey

    @property
    def sha256(self) -> bytes:
        """SHA-256 of ``raw``, as REPORT_DATA binds it."""
        return hashlib.sha256(self.raw).digest()


class SealingKey:
    """A private key pair of one session or one response, made from its two halves."""

    __slots__ = ("private", "public")

    def __init__(self, ml_kem: MLKEM768PrivateKey, x25519: X25519PrivateKey) -> None:
        self.private = hpke.MLKEM768X25519PrivateKey(ml_kem, x25519)
        self.public = parse_sealing_key(
            ml_kem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedSession:
    """What ties a seal to its place: the session's role, its exporter value and a sequence number.

    ``exporter`` is the value that the session's evidence binds (32 bytes). ``sequence`` counts the
    sealed requests of the session from 0; both ends count for themselves.
    """

    role: str
    exporter: bytes
    sequence: int

    def context(self, domain: bytes, request: bytes) -> bytes:
        """The ``info`` of HPKE; ``request`` is the sealed request that a response answers."""
        fields = (
            self.role.encode("utf-8"),
            self.exporter,
            struct.pack("> Q", self.sequence),
            hashlib.sha256(request).digest() if request else b"",
        )
        return domain + b"".join(_SHORT.pack(len(field)) + field for field in fields)


@dataclass(frozen=True, slots=True)
class Unsealed:
    """A request as the CVM reads it. ``raw`` is the sealed form that the response will bind."""

    path: str
    content: bytes = field(repr=False)
    reply_to: SealingPublicKey
    raw: bytes


def parse_sealing_key(raw: bytes) -> SealingPublicKey:
    """Read a public key. Raises ParseError, also for an X25519 key that is a point of low order.

    With such a one no secret is shared, and nothing could be sealed (RFC 9180 section 7.1.4).
    """
    what = "sealing key"
    if len(raw) != SEALING_KEY_SIZE:
        raise ParseError(what, expected=f"{SEALING_KEY_SIZE} bytes", got=f"{len(raw)}")
    try:
        ml_kem = MLKEM768PublicKey.from_public_bytes(raw[:_ML_KEM_SIZE])
    except ValueError:
        # FIPS 203 section 7.2: a coefficient that is not reduced.
        raise ParseError(what, expected="a key of ML-KEM-768", got=excerpt(raw[:8])) from None
    x25519 = X25519PublicKey.from_public_bytes(raw[_ML_KEM_SIZE:])
    try:
        _ANY_SCALAR.exchange(x25519)  # every scalar is a multiple of 8, and so of every low order
    except ValueError:
        got = raw[_ML_KEM_SIZE:].hex()
        raise ParseError(what, expected="no X25519 key of low order", got=got) from None
    return SealingPublicKey(raw, hpke.MLKEM768X25519PublicKey(ml_kem, x25519))


def seal_request(
    path: str, content: bytes, *, to: SealingPublicKey, reply_to: bytes, session: SealedSession
) -> bytes:
    """Seal a request for ``path`` to the CVM's key of this session.

    ``reply_to`` is the client's public key for this one response (1216 bytes). ValueError if the
    path is not one, or the content is too long for the largest bucket.
    """
    if re.fullmatch(PATH, path, re.ASCII) is None:
        raise ValueError(f"not a path: {path!r}")
    name = path.encode("ascii")
    plain = _padded(reply_to + _SHORT.pack(len(name)) + name + content)
    return _SUITE.encrypt(plain, to.key, session.context(_REQUEST, b""))


def open_request(raw: bytes, *, key: SealingKey, session: SealedSession) -> Unsealed:
    """Open a request. Raises ParseError; VerificationError if it was not sealed for this place."""
    what = "sealed request"
    plain = _opened(raw, key, session.context(_REQUEST, b""), what)
    head = SEALING_KEY_SIZE + _SHORT.size
    if len(plain) < head:
        raise ParseError(what, expected=f"at least {head} bytes", got=f"{len(plain)}")
    reply_to = parse_sealing_key(plain[:SEALING_KEY_SIZE])
    (size,) = _SHORT.unpack_from(plain, SEALING_KEY_SIZE)
    name = plain[head : head + size]
    path = parse_utf8(name, what=what)
    if len(name) != size or re.fullmatch(PATH, path, re.ASCII) is None:
        # Not quoted: the refusal is not sealed, and this was.
        got = f"another of {len(name)} bytes"
        raise ParseError(what, expected=f"a path like {PATH}", got=got)
    return Unsealed(path, plain[head + size :], reply_to, raw)


def seal_response(
    status: int, content: bytes, *, request: Unsealed, session: SealedSession
) -> bytes:
    """Seal the answer to ``request``, to the key that came with it.

    ``status`` is an HTTP status (100 to 599). ValueError for another, or too long a content.
    """
    if not 100 <= status <= 599:
        raise ValueError(f"not an HTTP status: {status}")
    plain = _padded(_SHORT.pack(status) + content)
    return _SUITE.encrypt(plain, request.reply_to.key, session.context(_RESPONSE, request.raw))


def open_response(
    raw: bytes, *, key: SealingKey, request: bytes, session: SealedSession
) -> tuple[int, bytes]:
    """Open the answer to the sealed ``request``: its status and its content.

    Raises ParseError; VerificationError if it does not answer this very request.
    """
    what = "sealed response"
    plain = _opened(raw, key, session.context(_RESPONSE, request), what)
    if len(plain) < _SHORT.size:
        raise ParseError(what, expected="a status", got=f"{len(plain)} bytes")
    (status,) = _SHORT.unpack_from(plain)
    if not 100 <= status <= 599:
        raise ParseError(what, expected="a status of 100 to 599", got=str(status))
    return status, plain[_SHORT.size :]


def _padded(content: bytes) -> bytes:
    size = _LENGTH.size + len(content)
    bucket = next((bucket for bucket in BUCKETS if size <= bucket), None)
    if bucket is None:
        raise ValueError(f"{size} bytes do not fit the largest bucket of {BUCKETS[-1]}")
    return (_LENGTH.pack(len(content)) + content).ljust(bucket, b"\x00")


def _opened(raw: bytes, key: SealingKey, context: bytes, what: str) -> bytes:
    # The length is in the open, so a seal of another length is refused before any key is used.
    if len(raw) - _OVERHEAD not in BUCKETS:
        raise ParseError(what, expected="a bucket of 1 KiB to 1 MiB", got=f"{len(raw)} bytes")
    try:
        plain = _SUITE.decrypt(raw, key.private, context)
    except InvalidTag:
        expected = "sealed to this key, for this place of this session"
        raise VerificationError(what, expected=expected, got="it does not open") from None
    (size,) = _LENGTH.unpack_from(plain)
    content, filling = plain[_LENGTH.size :][:size], plain[_LENGTH.size + size :]
    # One content has one padded form: else padding would be a channel of its own.
    if size + _LENGTH.size > len(plain) or filling.strip(b"\x00") or _padded(content) != plain:
        raise ParseError(what, expected="the padding of its bucket", got=f"{size} bytes of content")
    return content
