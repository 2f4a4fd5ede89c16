"""What client and issuer say to one another: round trips, and what is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.tlog.rejection import rejects
from tests.verifier.wire import path_vectors as vectors
from tests.verifier.wire.path_messages import issuer, token_key
from verifier.errors import ParseError, UnsupportedError
from verifier.wire.token_issuance import (
    MAX_DIRECTORY,
    DirectoryKey,
    IssuerDirectory,
    TokenRequest,
    encode_directory,
    encode_token_request,
    parse_directory,
    parse_token_request,
    parse_token_response,
)

ENCODED = base64.urlsafe_b64encode(vectors.TOKEN_KEY).decode()
KEY = {"token-type": 2, "token-key": ENCODED}
WHAT = "issuer directory"


def directory(**changes: Any) -> bytes:
    members = {"issuer_request_uri": "/v1/token", "token_keys": [KEY]} | changes
    named = {name.replace("_", "-"): value for name, value in members.items()}
    return json.dumps({name: value for name, value in named.items() if value is not ...}).encode()


def test_the_request_and_response_of_the_standard() -> None:
    request = parse_token_request(vectors.TOKEN_REQUEST)
    assert request == TokenRequest(0x08, vectors.TOKEN_REQUEST[3:])
    assert encode_token_request(request) == vectors.TOKEN_REQUEST
    assert parse_token_response(vectors.TOKEN_RESPONSE) == vectors.TOKEN_RESPONSE


@given(st.integers(0, 255), st.binary(min_size=256, max_size=256))
def test_a_request_is_read_as_written(truncated_key_id: int, blinded: bytes) -> None:
    request = TokenRequest(truncated_key_id, blinded)
    assert parse_token_request(encode_token_request(request)) == request


@pytest.mark.parametrize("size", [0, 1, 3, 258])
def test_a_cut_request_is_refused(size: int) -> None:
    with rejects(ParseError, "token request", expected="^259 bytes$", got=f"^{size}$"):
        parse_token_request(vectors.TOKEN_REQUEST[:size])


def test_another_request_is_refused() -> None:
    with rejects(ParseError, "token request", expected="^259 bytes$", got="^260$"):
        parse_token_request(vectors.TOKEN_REQUEST + b"\x00")
    with rejects(UnsupportedError, "type of the token request", expected="0x0002", got="0x0001"):
        parse_token_request(b"\x00\x01" + vectors.TOKEN_REQUEST[2:])
    with pytest.raises(ValueError, match="a blinded message of 255 bytes"):
        encode_token_request(TokenRequest(0, bytes(255)))


@pytest.mark.parametrize("size", [0, 255, 257])
def test_another_response_is_refused(size: int) -> None:
    with rejects(ParseError, "token response", expected="^256 bytes$", got=f"^{size}$"):
        parse_token_response(bytes(size))


def test_a_directory_is_read_as_written() -> None:
    keys = (DirectoryKey(issuer()[1], 1_686_913_811), DirectoryKey(token_key(), 0))
    for uri in ("/v1/token", "https://issuer.test:8443/v1/token"):
        made = IssuerDirectory(uri, keys)
        assert parse_directory(encode_directory(made)) == made
    assert parse_directory(directory()) == IssuerDirectory("/v1/token", keys[1:])


def test_keys_of_other_types_are_passed_over() -> None:
    other = {"token-type": 1, "token-key": "67H-0zgxA2HAjQx1dpaWcQ=="}
    assert len(parse_directory(directory(token_keys=[other, KEY])).keys) == 1
    with rejects(
        UnsupportedError, f"{WHAT}.token-keys", expected="a key of type 2", got="1 of other types"
    ):
        parse_directory(directory(token_keys=[other]))


@pytest.mark.parametrize(
    ("raw", "what", "expected", "got"),
    [
        (b" " * (MAX_DIRECTORY + 1), WHAT, f"at most {MAX_DIRECTORY} bytes", "bytes"),
        (b"[]", WHAT, "an object", "an array"),
        (directory(more=1), WHAT, "no unknown member", "more"),
        (directory(issuer_request_uri=...), f"{WHAT}.issuer-request-uri", "the member", "missing"),
        (directory(issuer_request_uri="ftp://a/"), f"{WHAT}.issuer-request-uri", "text", "ftp"),
        (directory(token_keys=[]), f"{WHAT}.token-keys", "1 to 1024 members", "^0$"),
        (directory(token_keys=[KEY] * 17), f"{WHAT}.token-keys", "1 to 16 members", "^17$"),
        (directory(token_keys=[{}]), f"{WHAT}.token-keys[0].token-type", "the member", "missing"),
        (
            directory(token_keys=[KEY | {"token-type": 65_536}]),
            f"{WHAT}.token-keys[0].token-type",
            "0 to 65535",
            "65536",
        ),
        (
            directory(token_keys=[KEY | {"token-key": "a b"}]),
            f"{WHAT}.token-keys[0].token-key",
            "text like",
            "a b",
        ),
        (
            directory(token_keys=[KEY | {"token-key": "abc"}]),
            f"{WHAT}.token-keys[0].token-key",
            "base64",
            "abc",
        ),
        (directory(token_keys=[KEY | {"token-key": "AAI="}]), "token key", "342 bytes", "^2$"),
        (
            directory(token_keys=[KEY | {"not-before": -1}]),
            f"{WHAT}.token-keys[0].not-before",
            "0 to",
            "-1",
        ),
        (
            directory(token_keys=[KEY | {"more": 1}]),
            f"{WHAT}.token-keys[0]",
            "no unknown member",
            "more",
        ),
    ],
)
def test_a_wrong_directory_is_refused(raw: bytes, what: str, expected: str, got: str) -> None:
    with rejects(ParseError, what, expected=expected, got=got):
        parse_directory(raw)


def test_what_no_directory_can_say_is_not_written() -> None:
    for made in (IssuerDirectory("/", ()), IssuerDirectory("x", (DirectoryKey(token_key(), 0),))):
        with pytest.raises(ValueError, match="not an issuer directory"):
            encode_directory(made)
