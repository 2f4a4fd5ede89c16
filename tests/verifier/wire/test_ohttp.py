"""Oblivious HTTP: the exchange of RFC 9458 appendix A, round trips, and what does not open."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.tlog.rejection import rejects
from tests.verifier.wire import path_vectors as vectors
from verifier.errors import AuditError, ParseError, UnsupportedError, VerificationError
from verifier.wire.bhttp import MAX_MESSAGE
from verifier.wire.ohttp import (
    GatewayKey,
    encapsulate_request,
    gateway_key,
    open_request,
    response_nonce_size,
)
from verifier.wire.ohttp_keys import AEADS, KDFS, Suite, parse_ohttp_key
from verifier.wire.ohttp_media import MAX_ENCAPSULATED_REQUEST, MAX_ENCAPSULATED_RESPONSE

KEY = gateway_key(key_id=1, secret=vectors.OHTTP_SECRET, suites=(Suite(1, 1), Suite(1, 3)))
EVERY = [Suite(kdf, aead) for kdf in KDFS for aead in AEADS]
REQUEST, RESPONSE = "encapsulated request", "encapsulated response"


def encapsulated(key: GatewayKey = KEY) -> bytes:
    return encapsulate_request(key.public, b"request", ephemeral=bytes(32))[0]


def test_the_exchange_of_the_standard_byte_for_byte() -> None:
    assert KEY.public == parse_ohttp_key(vectors.OHTTP_KEY)
    raw, opener = encapsulate_request(
        KEY.public, vectors.OHTTP_PLAIN_REQUEST, ephemeral=vectors.OHTTP_EPHEMERAL
    )
    assert raw == vectors.OHTTP_REQUEST
    request, sealer = open_request((KEY,), vectors.OHTTP_REQUEST)
    assert request == vectors.OHTTP_PLAIN_REQUEST
    assert sealer.exchange.secret == vectors.OHTTP_SECRET_OF_RESPONSE
    answer = sealer.seal_response(vectors.OHTTP_PLAIN_RESPONSE, nonce=vectors.OHTTP_NONCE)
    assert answer == vectors.OHTTP_RESPONSE
    assert opener.open_response(vectors.OHTTP_RESPONSE) == vectors.OHTTP_PLAIN_RESPONSE


@given(st.sampled_from(EVERY), st.binary(max_size=300), st.binary(max_size=300), st.data())
def test_every_suite_brings_both_messages_over(
    suite: Suite, request: bytes, response: bytes, data: st.DataObject
) -> None:
    secrets = st.binary(min_size=32, max_size=32)
    key = gateway_key(key_id=7, secret=data.draw(secrets), suites=(suite,))
    raw, opener = encapsulate_request(key.public, request, ephemeral=data.draw(secrets))
    opened, sealer = open_request((KEY, key), raw)
    assert opened == request
    size = sealer.nonce_size()
    assert size == response_nonce_size(suite) == (16 if suite.aead_id == 1 else 32)
    answer = sealer.seal_response(
        response, nonce=data.draw(st.binary(min_size=size, max_size=size))
    )
    assert opener.open_response(answer) == response


def test_the_first_suite_is_taken() -> None:
    for suites in (tuple(EVERY), tuple(reversed(EVERY))):
        key = gateway_key(key_id=1, secret=bytes(range(32)), suites=suites)
        assert encapsulated(key)[3:7] == bytes((0, suites[0].kdf_id, 0, suites[0].aead_id))


@given(st.integers(0, len(encapsulated()) * 8 - 1))
def test_a_changed_request_does_not_open(bit: int) -> None:
    raw = bytearray(encapsulated())
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(AuditError) as caught:
        open_request((KEY,), bytes(raw))
    # What names key and suite may name another that is offered; then the rest does not open.
    named = bit // 8 < 7
    assert type(caught.value) in (
        {UnsupportedError, VerificationError} if named else {VerificationError}
    )


def test_the_bit_that_x25519_ignores_is_not_free() -> None:
    raw = bytearray(encapsulated())
    raw[38] ^= 0x80
    with rejects(VerificationError, REQUEST, expected="sealed to this key", got="does not open"):
        open_request((KEY,), bytes(raw))


def test_another_key_does_not_open() -> None:
    other = gateway_key(key_id=1, secret=bytes(range(32)), suites=KEY.public.suites)
    with rejects(VerificationError, REQUEST, expected="sealed to this key", got="does not open"):
        open_request((other,), encapsulated())


def test_a_key_or_suite_that_the_gateway_has_not_is_named() -> None:
    what = "key of the encapsulated request"
    other = gateway_key(key_id=2, secret=vectors.OHTTP_SECRET, suites=(Suite(1, 1),))
    with rejects(UnsupportedError, what, expected="a key of this gateway", got="key 1, KEM 0x0020"):
        open_request((other,), encapsulated())
    with rejects(UnsupportedError, what, expected="a key of this gateway", got="key 1"):
        open_request((), encapsulated())
    kem = bytearray(encapsulated())
    kem[2] = 0x10
    with rejects(UnsupportedError, what, expected="a key of this gateway", got="KEM 0x0010"):
        open_request((KEY,), bytes(kem))
    suite = gateway_key(key_id=1, secret=vectors.OHTTP_SECRET, suites=(Suite(1, 2),))
    with rejects(UnsupportedError, what, expected="a suite that it offers", got="AEAD 0x0002"):
        open_request((KEY,), encapsulated(suite))


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31)])
def test_a_point_of_low_order_is_refused_on_both_ends(point: bytes) -> None:
    raw = encapsulated()
    with rejects(VerificationError, REQUEST, expected="sealed to this key", got="does not open"):
        open_request((KEY,), raw[:7] + point + raw[39:])
    with rejects(
        VerificationError,
        "public key of the key configuration",
        expected="no point of low order",
        got=point.hex(),
    ):
        encapsulate_request(replace(KEY.public, public_key=point), b"", ephemeral=bytes(32))


def test_a_response_opens_for_its_own_request_alone() -> None:
    raw, opener = encapsulate_request(KEY.public, b"1", ephemeral=bytes(32))
    _, other = encapsulate_request(KEY.public, b"1", ephemeral=b"\x09" * 32)
    _, sealer = open_request((KEY,), raw)
    answer = sealer.seal_response(b"answer", nonce=bytes(16))
    assert opener.open_response(answer) == b"answer"
    expected, got = "the response to this request", "does not open"
    with rejects(VerificationError, RESPONSE, expected=expected, got=got):
        other.open_response(answer)
    for place in range(len(answer)):
        changed = bytearray(answer)
        changed[place] ^= 1
        with rejects(VerificationError, RESPONSE, expected=expected, got=got):
            opener.open_response(bytes(changed))


@pytest.mark.parametrize("size", [0, 54, MAX_ENCAPSULATED_REQUEST + 1])
def test_a_request_of_another_size_is_refused(size: int) -> None:
    expected = f"^55 to {MAX_ENCAPSULATED_REQUEST} bytes$"
    with rejects(ParseError, REQUEST, expected=expected, got=f"^{size}$"):
        open_request((KEY,), bytes(size))


@pytest.mark.parametrize("size", [0, 31, MAX_ENCAPSULATED_RESPONSE + 1])
def test_a_response_of_another_size_is_refused(size: int) -> None:
    _, opener = encapsulate_request(KEY.public, b"", ephemeral=bytes(32))
    expected = f"^32 to {MAX_ENCAPSULATED_RESPONSE} bytes$"
    with rejects(ParseError, RESPONSE, expected=expected, got=f"^{size}$"):
        opener.open_response(bytes(size))


def test_the_longest_binary_message_fits() -> None:
    raw, opener = encapsulate_request(KEY.public, bytes(MAX_MESSAGE), ephemeral=bytes(32))
    assert len(raw) <= MAX_ENCAPSULATED_REQUEST
    request, sealer = open_request((KEY,), raw)
    answer = sealer.seal_response(request, nonce=bytes(16))
    assert opener.open_response(answer) == request


def test_wrong_callers_are_told() -> None:
    for size in (0, 31, 33):
        with pytest.raises(ValueError, match="32"):
            gateway_key(key_id=1, secret=bytes(size), suites=(Suite(1, 1),))
        with pytest.raises(ValueError, match="32"):
            encapsulate_request(KEY.public, b"", ephemeral=bytes(size))
    _, sealer = open_request((KEY,), encapsulated())
    with pytest.raises(ValueError, match="a nonce of 12 bytes; 16 are needed"):
        sealer.seal_response(b"", nonce=bytes(12))


def test_no_secret_is_shown() -> None:
    _, opener = encapsulate_request(KEY.public, b"", ephemeral=bytes(32))
    shown = repr((KEY, opener))
    assert repr(vectors.OHTTP_SECRET) not in shown
    assert repr(opener.exchange.secret) not in shown
    assert "key_id=1" in shown
