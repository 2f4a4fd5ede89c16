"""Requests of a tunnel: round trips, one spelling, and every part with each thing wrong."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.tlog.rejection import rejects
from tests.verifier.wire.path_messages import AUTHORITY, TUNNEL, continuing, opening, token
from verifier.errors import ParseError, UnsupportedError, VerificationError
from verifier.wire.bhttp import (
    BinaryRequest,
    Field,
    encode_request,
    pad_message,
    parse_request,
)
from verifier.wire.token import encode_authorization
from verifier.wire.tunnel import (
    BUCKETS,
    MAX_RECORDS,
    MAX_SEQUENCE,
    CloseTunnel,
    ContinueTunnel,
    OpenTunnel,
    TunnelPlace,
    TunnelRequest,
    advance_tunnel,
    encode_tunnel_request,
    padded_size,
    parse_tunnel_request,
)
from verifier.wire.tunnel_answer import TunnelClosed, encode_tunnel_answer

WHAT = "tunnel request"
CLOSING = CloseTunnel(AUTHORITY, TUNNEL)
HOSTS = st.from_regex(r"[a-z0-9.\-]{1,30}(:[0-9]{1,5})?", fullmatch=True)
RECORDS = st.binary(max_size=3000)
IDS = st.binary(min_size=16, max_size=16)


def written(request: TunnelRequest, **changes: Any) -> bytes:
    """The request with something of its binary message changed."""
    message = replace(parse_request(encode_tunnel_request(request)), **changes)
    raw = encode_request(message)
    return pad_message(raw, size=padded_size(len(raw)))


def binary(request: TunnelRequest) -> BinaryRequest:
    return parse_request(encode_tunnel_request(request))


@given(
    st.one_of(
        st.builds(OpenTunnel, HOSTS, st.just(token()), RECORDS.filter(bool)),
        st.builds(ContinueTunnel, HOSTS, IDS, st.integers(1, MAX_SEQUENCE), RECORDS),
        st.builds(CloseTunnel, HOSTS, IDS),
    )
)
def test_a_request_is_read_as_written(request: TunnelRequest) -> None:
    raw = encode_tunnel_request(request)
    assert parse_tunnel_request(raw) == request
    assert len(raw) in BUCKETS


def test_the_spelling_is_fixed() -> None:
    message = binary(opening())
    assert (message.method, message.path) == ("POST", "/v1/tunnel")
    authorization = encode_authorization(token()).encode()
    media_type = Field("content-type", b"application/octet-stream")
    assert message.fields == (Field("authorization", authorization), media_type)
    message = binary(continuing())
    assert (message.method, message.path) == ("POST", "/v1/tunnel/000102030405060708090a0b0c0d0e0f")
    assert message.fields == (media_type, Field("sequence", b"7"))
    message = binary(CLOSING)
    assert (message.method, message.path) == ("DELETE", f"/v1/tunnel/{TUNNEL.hex()}")
    assert message.fields == ()


def test_a_length_says_only_which_bucket() -> None:
    sizes = {
        len(encode_tunnel_request(replace(opening(), records=bytes(n)))) for n in range(1, 300)
    }
    assert sizes == {1024}
    most = replace(opening(), records=bytes(MAX_RECORDS))
    assert len(encode_tunnel_request(most)) == BUCKETS[-1] == 262_144
    assert parse_tunnel_request(encode_tunnel_request(most)) == most
    assert [padded_size(size) for size in (0, 1024, 1025, 262_144)] == [1024, 1024, 2048, 262_144]


@pytest.mark.parametrize("size", [0, 1023, 1025, 524_288])
def test_another_length_is_refused(size: int) -> None:
    raw = (encode_tunnel_request(CLOSING) + bytes(2**20))[:size]
    expected = "a power of two from 1024 to 262144 bytes"
    with rejects(ParseError, f"length of the {WHAT}", expected=expected, got=f"^{size}$"):
        parse_tunnel_request(raw)


@pytest.mark.parametrize(
    ("request_", "changes", "what", "expected", "got"),
    [
        (CLOSING, {"scheme": "http"}, WHAT, "https://, an authority", "http://"),
        (CLOSING, {"authority": ""}, WHAT, "https://, an authority", "''"),
        (CLOSING, {"trailers": (Field("a", b""),)}, WHAT, "no trailers", "1 trailers"),
        (CLOSING, {"method": "GET"}, WHAT, "POST /v1/tunnel, or", "GET '/v1/tunnel/0001"),
        (CLOSING, {"path": "/v1/tunnel"}, WHAT, "an identifier", "DELETE '/v1/tunnel'"),
        (CLOSING, {"path": "/v1/tunnel/00"}, WHAT, "an identifier", "/v1/tunnel/00"),
        (CLOSING, {"path": f"/v1/tunnel/{'A' * 32}"}, WHAT, "an identifier", "AAAA"),
        (CLOSING, {"path": f"/v1/tunnel/{'a' * 32}?x"}, WHAT, "an identifier", "x"),
        (CLOSING, {"content": b"x"}, f"content of the {WHAT}", "^0 bytes$", "^1$"),
        (
            CLOSING,
            {"fields": (Field("user-agent", b"x"),)},
            f"fields of the {WHAT}",
            "none",
            "user",
        ),
        (opening(), {"content": b""}, f"content of the {WHAT}", "1 byte or more", "^0$"),
        (
            opening(),
            {"content": bytes(MAX_RECORDS + 1)},
            f"content of the {WHAT}",
            f"at most {MAX_RECORDS} bytes",
            f"{MAX_RECORDS + 1}",
        ),
        (opening(), {"fields": ()}, f"fields of the {WHAT}", "authorization and content", "''"),
        (
            opening(),
            {"fields": tuple(reversed(binary(opening()).fields))},
            f"fields of the {WHAT}",
            "authorization and content-type",
            "content-type authorization",
        ),
        (
            opening(),
            {"fields": (*binary(opening()).fields, Field("cookie", b"a"))},
            f"fields of the {WHAT}",
            "authorization and content-type",
            "cookie",
        ),
        (
            opening(),
            {"fields": (Field("authorization", b"PrivateToken"), binary(opening()).fields[1])},
            "token of Authorization",
            "the parameter",
            "missing",
        ),
        (
            opening(),
            {"fields": (binary(opening()).fields[0], Field("content-type", b"text/plain"))},
            f"content-type of the {WHAT}",
            "application/octet-stream",
            "text/plain",
        ),
        *(
            (
                continuing(),
                {"fields": (binary(opening()).fields[1], Field("sequence", number))},
                f"sequence of the {WHAT}",
                expected,
                got,
            )
            for number, expected, got in (
                (b"0", "1 to 65535", "^0$"),
                (b"01", "a decimal", "01"),
                (b"-1", "a decimal", "-1"),
                (b"", "a decimal", "''"),
                (b"65536", "up to 65535", "65536"),
                (b"\xff", "a decimal", "ÿ"),
            )
        ),
        (
            continuing(),
            {"fields": (Field("content-type", b"text/plain"), Field("sequence", b"1"))},
            f"content-type of the {WHAT}",
            "application/octet-stream",
            "text/plain",
        ),
    ],
)
def test_a_wrong_request_is_refused(
    request_: TunnelRequest, changes: dict[str, Any], what: str, expected: str, got: str
) -> None:
    with rejects(ParseError, what, expected=expected, got=got):
        parse_tunnel_request(written(request_, **changes))


def test_what_is_no_request_is_refused() -> None:
    with rejects(
        ParseError, "framing indicator of the binary request", expected="0 or 2", got="^1$"
    ):
        parse_tunnel_request(encode_tunnel_answer(TunnelClosed()))
    fields = (Field("authorization", b"Basic YQ=="), binary(opening()).fields[1])
    with rejects(UnsupportedError, "scheme of Authorization", expected="PrivateToken", got="basic"):
        parse_tunnel_request(written(opening(), fields=fields))


@pytest.mark.parametrize(
    "request_",
    [
        replace(opening(), records=b""),
        replace(opening(), records=bytes(MAX_RECORDS + 1)),
        replace(opening(), authority=""),
        replace(opening(), token=replace(token(), raw=b"\x00\x01" + bytes(352))),
        replace(opening(), token=replace(token(), nonce=bytes(32))),
        replace(continuing(), sequence=0),
        replace(continuing(), sequence=MAX_SEQUENCE + 1),
        replace(continuing(), tunnel=bytes(15)),
        replace(CLOSING, authority="a b"),
    ],
)
def test_what_no_request_can_say_is_not_written(request_: TunnelRequest) -> None:
    with pytest.raises(ValueError, match=r"not a tunnel request|can say this"):
        encode_tunnel_request(request_)


def test_what_fits_into_no_bucket_is_not_written() -> None:
    with pytest.raises(ValueError, match="262145 bytes fit into no bucket"):
        padded_size(262_145)


def test_a_tunnel_advances_by_one_or_repeats_itself() -> None:
    place = TunnelPlace(0, hashlib.sha256(opening().records).digest())
    first = replace(continuing(), sequence=1)
    after = advance_tunnel(place, first)
    assert after == TunnelPlace(1, hashlib.sha256(first.records).digest())
    assert advance_tunnel(after, first) == after
    assert advance_tunnel(after, replace(first, sequence=2)).sequence == 2
    what = f"sequence of the {WHAT}"
    with rejects(VerificationError, what, expected="the same bytes again", got="^1, others$"):
        advance_tunnel(after, replace(first, records=b"others"))
    for number in (3, MAX_SEQUENCE):
        with rejects(VerificationError, what, expected="^2, or 1 again$", got=f"^{number}$"):
            advance_tunnel(after, replace(first, sequence=number))
    with rejects(VerificationError, what, expected="^3, or 2 again$", got="^1$"):
        advance_tunnel(TunnelPlace(2, after.digest), first)
