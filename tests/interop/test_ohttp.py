"""Our Oblivious HTTP against another implementation's client and gateway.

The program is ``tests/interop/peers/ohttp`` over the Rust crates ``ohttp`` and ``bhttp``. Its path
comes from the environment, and without it the tests skip by name. It reads every message within
the encapsulation and writes it anew, so binary HTTP goes both ways too.
"""

from __future__ import annotations

import secrets
from contextlib import AbstractContextManager

import pytest

from tests.interop.peer import Peer, speaking
from tests.interop.test_tessera import program
from tests.verifier.tlog.rejection import rejects
from verifier.errors import VerificationError
from verifier.wire.bhttp import (
    BinaryRequest,
    BinaryResponse,
    Field,
    InformationalResponse,
    encode_request,
    encode_response,
    pad_message,
    parse_request,
    parse_response,
)
from verifier.wire.ohttp import SECRET_SIZE, encapsulate_request, gateway_key, open_request
from verifier.wire.ohttp_keys import OhttpKey, Suite, encode_ohttp_keys, parse_ohttp_keys

REQUEST = BinaryRequest(
    method="POST",
    scheme="https",
    authority="gateway.test",
    path="/v1/tunnel?a=b",
    fields=(Field("content-type", b"application/octet-stream"), Field("empty", b"")),
    content=bytes(range(256)) * 70,  # its length takes four bytes
    trailers=(Field("trailer", b"last"),),
)
RESPONSE = BinaryResponse(
    informational=(InformationalResponse(103, (Field("link", b"</a>"),)),),
    status=200,
    fields=(Field("tunnel", b"00" * 16),),
    content=b"answer" * 20,
    trailers=(),
)
BOTH_FRAMINGS = pytest.mark.parametrize("framing", ["known", "indeterminate"])
BOTH_AEADS = pytest.mark.parametrize("aead", [0x0001, 0x0003])


def peer(*words: str) -> AbstractContextManager[Peer]:
    return speaking(program("CVM_AUDIT_OHTTP_PEER"), *words)


def padded(raw: bytes) -> str:
    return pad_message(raw, size=32_768).hex()


def encapsulated(key: OhttpKey) -> bytes:
    ephemeral = secrets.token_bytes(SECRET_SIZE)
    return encapsulate_request(key, encode_request(REQUEST), ephemeral=ephemeral)[0]


def offered(gateway: Peer) -> OhttpKey:
    (key,) = parse_ohttp_keys(gateway.hear_bytes())  # the other one is of X-Wing
    assert key.key_id == 2
    return key


@BOTH_FRAMINGS
@BOTH_AEADS
def test_their_client_and_our_gateway(framing: str, aead: int) -> None:
    # It has no AES-256-GCM, and takes what comes after that.
    suites = (Suite(0x0001, 0x0002), Suite(0x0001, aead))
    key = gateway_key(key_id=5, secret=secrets.token_bytes(SECRET_SIZE), suites=suites)
    with peer("client", framing) as client:
        client.say(encode_ohttp_keys((key.public,)).hex(), padded(encode_request(REQUEST)))
        request, sealer = open_request((key,), client.hear_bytes())
        assert sealer.exchange.suite == suites[1]
        assert request[0] == (0 if framing == "known" else 2)
        assert parse_request(request) == REQUEST
        answer = bytes.fromhex(padded(encode_response(RESPONSE)))
        nonce = secrets.token_bytes(sealer.nonce_size())
        client.say(sealer.seal_response(answer, nonce=nonce).hex())
        assert parse_response(client.hear_bytes()) == RESPONSE
        client.end()


@BOTH_FRAMINGS
@BOTH_AEADS
def test_our_client_and_their_gateway(framing: str, aead: int) -> None:
    with peer("gateway", framing, str(aead)) as gateway:
        key = offered(gateway)
        assert key.suites == (Suite(0x0001, aead),)
        request = bytes.fromhex(padded(encode_request(REQUEST)))
        raw, opener = encapsulate_request(key, request, ephemeral=secrets.token_bytes(SECRET_SIZE))
        gateway.say(raw.hex())
        assert parse_request(gateway.hear_bytes()) == REQUEST
        gateway.say(padded(encode_response(RESPONSE)))
        answer = gateway.hear_bytes()
        response = opener.open_response(answer)
        assert response[0] == (1 if framing == "known" else 3)
        assert parse_response(response) == RESPONSE
        changed = answer[:-1] + bytes((answer[-1] ^ 1,))
        with rejects(
            VerificationError,
            "encapsulated response",
            expected="the response to this request",
            got="does not open",
        ):
            opener.open_response(changed)
        gateway.end()


def test_their_gateway_refuses_a_changed_request() -> None:
    with peer("gateway", "known", "1") as gateway:
        raw = bytearray(encapsulated(offered(gateway)))
        raw[-1] ^= 1
        gateway.say(raw.hex())
        assert "OpenError" in gateway.refusal()


def test_their_client_refuses_the_answer_to_another_request() -> None:
    suites = (Suite(0x0001, 0x0001),)
    key = gateway_key(key_id=5, secret=secrets.token_bytes(SECRET_SIZE), suites=suites)
    with peer("client", "known") as client:
        client.say(encode_ohttp_keys((key.public,)).hex(), encode_request(REQUEST).hex())
        open_request((key,), client.hear_bytes())
        _, sealer = open_request((key,), encapsulated(key.public))
        nonce = secrets.token_bytes(sealer.nonce_size())
        client.say(sealer.seal_response(encode_response(RESPONSE), nonce=nonce).hex())
        assert "Aead" in client.refusal()
