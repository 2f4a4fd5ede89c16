"""Oblivious HTTP (RFC 9458): a binary request sealed to a gateway's key, and the answer to it.

A client encapsulates and gets a ``ResponseOpener``; a gateway opens and gets a ``ResponseSealer``.
Each serves one exchange and dies with it. Randomness comes from the caller, and is never to be
used twice. HPKE is base mode, with the library's contexts, because the key of a response is
exported from the context of its request. An encapsulated request can be sent a second time by
whoever saw it; what makes that harmless is the token in it, which can be spent once.
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from pyhpke import AEADId, CipherSuite, ContextInterface, KDFId, KEMId, KEMKeyPair, OpenError

from verifier.errors import ParseError, UnsupportedError, VerificationError
from verifier.wire.ohttp_keys import (
    KEM_ID,
    PUBLIC_KEY_SIZE,
    OhttpKey,
    Suite,
    encode_ohttp_key,
    parse_ohttp_key,
)
from verifier.wire.ohttp_media import MAX_ENCAPSULATED_REQUEST, MAX_ENCAPSULATED_RESPONSE

__all__ = [
    "SECRET_SIZE",
    "GatewayKey",
    "ResponseOpener",
    "ResponseSealer",
    "encapsulate_request",
    "gateway_key",
    "open_request",
    "response_nonce_size",
]

SECRET_SIZE = 32
"""Bytes of a private key of X25519: a gateway's, or the ephemeral one of a request."""

_HEADER = struct.Struct("> B H H H")
_REQUEST, _RESPONSE = b"message/bhttp request", b"message/bhttp response"
_TAG, _NONCE = 16, 12  # bytes, the same for each AEAD
_KEY = {0x0001: 16, 0x0002: 32, 0x0003: 32}  # AEAD: bytes of its key
_HASH = {0x0001: SHA256(), 0x0002: SHA384(), 0x0003: SHA512()}  # KDF: its hash
_LOW_ORDER = "a key that is no point of low order"


@dataclass(frozen=True, slots=True)
class GatewayKey:
    """A gateway's key: the configuration that clients get, and its private half. Not to be shown.

    Made by ``gateway_key``.
    """

    public: OhttpKey
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Exchange:
    """What one request leaves to both ends: the suite, and the secrets of its response."""

    suite: Suite
    encapsulation: bytes
    secret: bytes = field(repr=False)

    def aead(self, nonce: bytes) -> tuple[AESGCM | ChaCha20Poly1305, bytes]:
        # RFC 9458 section 4.4, steps 3 to 5.
        digest = _HASH[self.suite.kdf_id]
        extracted = hmac.digest(self.encapsulation + nonce, self.secret, digest.name)
        key = HKDFExpand(digest, _KEY[self.suite.aead_id], b"key").derive(extracted)
        aead_nonce = HKDFExpand(digest, _NONCE, b"nonce").derive(extracted)
        cipher = ChaCha20Poly1305 if self.suite.aead_id == 0x0003 else AESGCM
        return cipher(key), aead_nonce


@dataclass(frozen=True, slots=True)
class ResponseOpener:
    """The client's end of one exchange. Made by ``encapsulate_request``."""

    exchange: _Exchange

    def open_response(self, raw: bytes) -> bytes:
        """The binary response in an encapsulated one. Raises ParseError and VerificationError."""
        what, start = "encapsulated response", response_nonce_size(self.exchange.suite)
        _require_size(raw, start + _TAG, MAX_ENCAPSULATED_RESPONSE, what)
        cipher, nonce = self.exchange.aead(raw[:start])
        try:
            return cipher.decrypt(nonce, raw[start:], None)
        except InvalidTag:
            got = "one that does not open"
            expected = "the response to this request"
            raise VerificationError(what, expected=expected, got=got) from None


@dataclass(frozen=True, slots=True)
class ResponseSealer:
    """The gateway's end of one exchange. Made by ``open_request``."""

    exchange: _Exchange

    def nonce_size(self) -> int:
        """Bytes of the nonce that ``seal_response`` needs."""
        return response_nonce_size(self.exchange.suite)

    def seal_response(self, response: bytes, *, nonce: bytes) -> bytes:
        """Encapsulate a binary response. ``nonce``: random, ``nonce_size()`` bytes, used once."""
        if len(nonce) != self.nonce_size():
            message = f"a nonce of {len(nonce)} bytes; {self.nonce_size()} are needed"
            raise ValueError(message)
        cipher, aead_nonce = self.exchange.aead(nonce)
        return nonce + cipher.encrypt(aead_nonce, response, None)


def response_nonce_size(suite: Suite) -> int:
    """Bytes of the nonce before a response: the longer of key and nonce of the AEAD."""
    return max(_NONCE, _KEY[suite.aead_id])


def gateway_key(*, key_id: int, secret: bytes, suites: tuple[Suite, ...]) -> GatewayKey:
    """The key of a gateway from its private half, ``SECRET_SIZE`` random bytes.

    Raises ValueError for another size, or if no key configuration can say the rest.
    """
    public_key = _key_pair(secret).public_key.to_public_bytes()
    raw = encode_ohttp_key(key_id=key_id, public_key=public_key, suites=suites)
    return GatewayKey(parse_ohttp_key(raw), secret)


def encapsulate_request(
    key: OhttpKey, request: bytes, *, ephemeral: bytes
) -> tuple[bytes, ResponseOpener]:
    """Seal a binary request to ``key``, under the first of its suites; and what opens the answer.

    The suite is not a choice of the client, or it could be told by it. ``ephemeral``:
    ``SECRET_SIZE`` random bytes for this request alone. Raises VerificationError if the key is a
    point of low order, with which anybody could open the request. Source: RFC 9458 section 4.3.
    """
    suite = key.suites[0]
    header = _HEADER.pack(key.key_id, KEM_ID, suite.kdf_id, suite.aead_id)
    cipher_suite, pair = _cipher_suite(suite), _key_pair(ephemeral)
    receiver = cipher_suite.kem.deserialize_public_key(key.public_key)
    try:
        encapsulation, context = cipher_suite.create_sender_context(
            receiver, info=_REQUEST + b"\x00" + header, eks=pair
        )
    except ValueError:
        what = "public key of the key configuration"
        raise VerificationError(what, expected=_LOW_ORDER, got=key.public_key.hex()) from None
    raw = header + encapsulation + context.seal(request)
    return raw, ResponseOpener(_exchange(suite, encapsulation, context))


def open_request(keys: tuple[GatewayKey, ...], raw: bytes) -> tuple[bytes, ResponseSealer]:
    """The binary request in an encapsulated one, and what seals the answer to it.

    Raises ParseError; UnsupportedError if it names no key of ``keys``, or a suite that the key
    does not offer (problem type ``KEY_PROBLEM``); VerificationError if it does not open. Source:
    RFC 9458 section 4.3.
    """
    what = "encapsulated request"
    start = _HEADER.size + PUBLIC_KEY_SIZE
    _require_size(raw, start + _TAG, MAX_ENCAPSULATED_REQUEST, what)
    key_id, kem_id, kdf_id, aead_id = _HEADER.unpack_from(raw)
    suite = Suite(kdf_id, aead_id)
    key = _find(keys, key_id, kem_id, suite)
    encapsulation = raw[_HEADER.size : start]
    cipher_suite = _cipher_suite(suite)
    try:
        context = cipher_suite.create_recipient_context(
            encapsulation,
            _key_pair(key.secret).private_key,
            info=_REQUEST + b"\x00" + raw[: _HEADER.size],
        )
        request = context.open(raw[start:])
    except (ValueError, OpenError):
        got = "one that does not open"
        expected = "a request sealed to this key"
        raise VerificationError(what, expected=expected, got=got) from None
    return request, ResponseSealer(_exchange(suite, encapsulation, context))


def _find(keys: tuple[GatewayKey, ...], key_id: int, kem_id: int, suite: Suite) -> GatewayKey:
    what = "key of the encapsulated request"
    for key in keys:
        if (key.public.key_id, KEM_ID) == (key_id, kem_id):
            if suite in key.public.suites:
                return key
            got = f"KDF {suite.kdf_id:#06x}, AEAD {suite.aead_id:#06x}"
            raise UnsupportedError(what, expected="a suite that it offers", got=got)
    got = f"key {key_id}, KEM {kem_id:#06x}"
    raise UnsupportedError(what, expected="a key of this gateway", got=got)


def _exchange(suite: Suite, encapsulation: bytes, context: ContextInterface) -> _Exchange:
    secret = context.export(_RESPONSE, response_nonce_size(suite))
    return _Exchange(suite, encapsulation, secret)


def _cipher_suite(suite: Suite) -> CipherSuite:
    return CipherSuite.new(
        KEMId.DHKEM_X25519_HKDF_SHA256, KDFId(suite.kdf_id), AEADId(suite.aead_id)
    )


def _key_pair(secret: bytes) -> KEMKeyPair:
    kem = _cipher_suite(Suite(0x0001, 0x0001)).kem
    private_key = kem.deserialize_private_key(secret)  # ValueError for another size
    public = private_key.raw.public_key().public_bytes_raw()
    return KEMKeyPair(private_key, kem.deserialize_public_key(public))


def _require_size(raw: bytes, fewest: int, most: int, what: str) -> None:
    if not fewest <= len(raw) <= most:
        raise ParseError(what, expected=f"{fewest} to {most} bytes", got=f"{len(raw)}")
