"""Sealed requests: only the right key at the right place of the right session opens one."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.tlog.rejection import rejects
from verifier.errors import ParseError, VerificationError
from verifier.wire.sealed import (
    BUCKETS,
    MAX_SEALED,
    SEALING_KEY_SIZE,
    SealedSession,
    SealingKey,
    Unsealed,
    open_request,
    open_response,
    parse_sealing_key,
    seal_request,
    seal_response,
)

SESSION = SealedSession(role="summariser", exporter=bytes(range(32)), sequence=3)
SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
OVERHEAD = MAX_SEALED - BUCKETS[-1]


def fresh() -> SealingKey:
    return SealingKey(MLKEM768PrivateKey.generate(), X25519PrivateKey.generate())


CVM, CLIENT = fresh(), fresh()


def sealed(content: bytes = b"words", session: SealedSession = SESSION) -> bytes:
    return seal_request(
        "/v1/summary", content, to=CVM.public, reply_to=CLIENT.public.raw, session=session
    )


def answered(request: Unsealed, session: SealedSession = SESSION) -> bytes:
    return seal_response(200, b"fewer words", request=request, session=session)


@given(content=st.binary(max_size=3000), status=st.integers(100, 599))
def test_what_is_sealed_is_opened(content: bytes, status: int) -> None:
    raw = sealed(content)
    request = open_request(raw, key=CVM, session=SESSION)
    assert (request.path, request.content) == ("/v1/summary", content)
    assert request.reply_to.raw == CLIENT.public.raw
    response = seal_response(status, content, request=request, session=SESSION)
    opened = open_response(response, key=CLIENT, request=raw, session=SESSION)
    assert opened == (status, content)


def test_lengths_fall_into_buckets() -> None:
    most = BUCKETS[-1] - 4 - SEALING_KEY_SIZE - 2 - len("/v1/summary")
    sizes = {len(sealed(bytes(n))) - OVERHEAD for n in (0, 1, 815, 816, 30_000, most)}
    assert sizes == {2048, 4096, 32768, BUCKETS[-1]}
    with pytest.raises(ValueError, match="largest bucket"):
        sealed(bytes(most + 1))


def test_no_two_seals_are_alike() -> None:
    assert sealed() != sealed()


@pytest.mark.parametrize(
    "other",
    [
        replace(SESSION, sequence=4),
        replace(SESSION, exporter=bytes(32)),
        replace(SESSION, role="rewriter"),
    ],
    ids=["sequence", "session", "role"],
)
def test_a_seal_opens_at_its_place_alone(other: SealedSession) -> None:
    raw = sealed()
    with pytest.raises(VerificationError) as request_refused:
        open_request(raw, key=CVM, session=other)
    assert request_refused.value.what == "sealed request"
    assert request_refused.value.got == "it does not open"
    response = answered(open_request(raw, key=CVM, session=SESSION))
    with pytest.raises(VerificationError) as response_refused:
        open_response(response, key=CLIENT, request=raw, session=other)
    assert response_refused.value.what == "sealed response"


def test_a_response_answers_one_request() -> None:
    first, second = sealed(b"one"), sealed(b"two")
    response = answered(open_request(first, key=CVM, session=SESSION))
    with pytest.raises(VerificationError, match="sealed response"):
        open_response(response, key=CLIENT, request=second, session=SESSION)


def test_other_keys_open_nothing() -> None:
    raw = sealed()
    with pytest.raises(VerificationError, match="sealed request"):
        open_request(raw, key=fresh(), session=SESSION)
    response = answered(open_request(raw, key=CVM, session=SESSION))
    with pytest.raises(VerificationError, match="sealed response"):
        open_response(response, key=CVM, request=raw, session=SESSION)


def test_a_request_is_no_response() -> None:
    # Both ends hold a key of the same kind; the direction is in the info.
    raw = seal_request(
        "/v1/summary", b"", to=CLIENT.public, reply_to=CVM.public.raw, session=SESSION
    )
    with pytest.raises(VerificationError, match="sealed response"):
        open_response(raw, key=CLIENT, request=b"", session=SESSION)


@pytest.mark.parametrize("position", [0, 600, 1119, 1120, 2000, -1])
def test_a_changed_byte_is_refused(position: int) -> None:
    raw = bytearray(sealed())
    raw[position] ^= 1
    with pytest.raises(VerificationError, match="it does not open"):
        open_request(bytes(raw), key=CVM, session=SESSION)


@pytest.mark.parametrize("size", [0, OVERHEAD, OVERHEAD + 1023, OVERHEAD + 1025, MAX_SEALED + 1])
def test_a_length_between_buckets_is_refused(size: int) -> None:
    with pytest.raises(ParseError) as caught:
        open_request(bytes(size), key=CVM, session=SESSION)
    assert (caught.value.expected, caught.value.got) == (
        "a bucket of 1 KiB to 1 MiB",
        f"{size} bytes",
    )


def by_hand(plain: bytes, *, response: bytes = b"") -> bytes:
    """A seal around any bytes, as a peer that follows no rule would make it."""
    domain = b"cvm-audit/sealed/response/v1\0" if response else b"cvm-audit/sealed/request/v1\0"
    key = CLIENT.public if response else CVM.public
    return SUITE.encrypt(plain, key.key, SESSION.context(domain, response))


def framed(content: bytes, *, bucket: int = 2048, filling: bytes = b"\0") -> bytes:
    return (struct.pack("> I", len(content)) + content).ljust(bucket, filling)


HEAD = CLIENT.public.raw


@pytest.mark.parametrize(
    ("plain", "expected"),
    [
        (framed(HEAD + b"\0\2/a", filling=b"\1"), "the padding of its bucket"),
        (framed(HEAD + b"\0\2/a", bucket=4096), "the padding of its bucket"),
        (struct.pack("> I", 5000).ljust(2048, b"\0"), "the padding of its bucket"),
        (framed(b"short", bucket=1024), f"at least {SEALING_KEY_SIZE + 2} bytes"),
        (framed(bytes([255]) * SEALING_KEY_SIZE + b"\0\2/a"), "a key of ML-KEM-768"),
        (framed(HEAD + b"\0\2/A"), r"a path like /[a-z0-9/.-]{1,63}"),
        (framed(HEAD + b"\0\5/a"), r"a path like /[a-z0-9/.-]{1,63}"),
        (framed(HEAD + b"\0\2\xff\xff"), "UTF-8"),
    ],
    ids=["filling", "bucket", "length", "short", "key", "path", "cut path", "utf-8"],
)
def test_what_is_under_the_seal_is_read_strictly(plain: bytes, expected: str) -> None:
    with pytest.raises(ParseError) as caught:
        open_request(by_hand(plain), key=CVM, session=SESSION)
    assert caught.value.expected == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"", "a status"), (b"\0\x63", "a status of 100 to 599")],
)
def test_a_response_needs_a_status(content: bytes, expected: str) -> None:
    raw = by_hand(framed(content, bucket=1024), response=b"request")
    with pytest.raises(ParseError) as caught:
        open_response(raw, key=CLIENT, request=b"request", session=SESSION)
    assert caught.value.expected == expected


def test_keys_have_one_size() -> None:
    with pytest.raises(ParseError) as caught:
        parse_sealing_key(bytes(1215))
    assert (caught.value.expected, caught.value.got) == ("1216 bytes", "1215")


@pytest.mark.parametrize(
    "point",
    [
        bytes(32),
        bytes([1]) + bytes(31),
        bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
        bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ],
)
def test_a_key_with_which_nothing_can_be_sealed_is_refused(point: bytes) -> None:
    """The points of low order of RFC 7748 section 6.1, from either end: an answer cannot fail."""
    raw = CVM.public.raw[:-32] + point
    with rejects(ParseError, "sealing key", expected="no X25519 key of low order", got=point.hex()):
        parse_sealing_key(raw)
    request = seal_request("/v1/summary", b"", to=CVM.public, reply_to=raw, session=SESSION)
    with rejects(ParseError, "sealing key", expected="no X25519 key of low order", got=point.hex()):
        open_request(request, key=CVM, session=SESSION)


def test_what_a_user_wrote_is_not_shown_by_chance() -> None:
    request = open_request(sealed(b"words of mine"), key=CVM, session=SESSION)
    assert request.content == b"words of mine"
    assert "words of mine" not in repr(request)


def test_a_caller_asks_for_paths_and_answers_with_statuses() -> None:
    with pytest.raises(ValueError, match="not a path"):
        seal_request("v1", b"", to=CVM.public, reply_to=HEAD, session=SESSION)
    request = open_request(sealed(), key=CVM, session=SESSION)
    with pytest.raises(ValueError, match="not an HTTP status"):
        seal_response(99, b"", request=request, session=SESSION)
