"""Recorded encapsulations, opened by the gateway's own key."""

from __future__ import annotations

import json

import pytest

from tests.verifier.drive.probes.recorded import exchange, fields_of
from tests.verifier.drive.probes.tunnels import (
    AUTHORITY,
    KEY,
    TUNNEL,
    opened_by_gateway,
    token,
)
from verifier.drive.probes.encapsulated import (
    Opened,
    Stream,
    open_answer,
    open_exchanges,
    parse_gateway_secret,
    tunnel_streams,
)
from verifier.errors import FetchError, ParseError, VerificationError
from verifier.wire.ohttp import gateway_key
from verifier.wire.tunnel import CloseTunnel, ContinueTunnel, OpenTunnel
from verifier.wire.tunnel_answer import TunnelAnswer, TunnelClosed, TunnelProblem

OPEN = OpenTunnel(AUTHORITY, token(), b"hello")
HELLO = TunnelAnswer(TUNNEL, b"HELLO")
OTHER = gateway_key(key_id=9, secret=b"\x09" * 32, suites=KEY.public.suites)


def secret_file(key_id: int = 7, secret: bytes = b"\x07" * 32) -> bytes:
    return json.dumps({"keyId": key_id, "secret": secret.hex()}).encode()


def going_on(sequence: int, records: bytes, said: bytes) -> Opened:
    request = ContinueTunnel(AUTHORITY, TUNNEL, sequence, records)
    return Opened(b"", request, TunnelAnswer(TUNNEL, said))


def test_requests_and_answers_open_with_the_key() -> None:
    sealed, answer = opened_by_gateway(OPEN, HELLO)
    (opened,) = open_exchanges((exchange(b"", b""), exchange(sealed, answer)), KEY)
    assert opened == Opened(sealed, OPEN, HELLO)
    assert open_answer(sealed, answer, KEY) == HELLO


def test_another_key_opens_nothing() -> None:
    sealed, answer = opened_by_gateway(OPEN, HELLO)
    same_id = gateway_key(key_id=7, secret=b"\x08" * 32, suites=KEY.public.suites)
    with pytest.raises(VerificationError) as caught:
        open_exchanges((exchange(sealed, answer),), same_id)
    assert caught.value.what == "encapsulated request"
    _, stranger = opened_by_gateway(OPEN, HELLO)
    with pytest.raises(VerificationError) as caught:
        open_answer(sealed, stranger, KEY)
    assert caught.value.what == "encapsulated response"


def test_the_secret_of_a_logged_key_is_taken() -> None:
    logged = (OTHER.public, KEY.public)
    assert parse_gateway_secret(secret_file(), logged=logged) == KEY


@pytest.mark.parametrize(
    ("raw", "got"),
    [
        (secret_file(secret=b"\x08" * 32), "of another, with id 7"),
        (secret_file(key_id=8), "of another, with id 8"),
    ],
)
def test_the_secret_of_another_key_is_refused(raw: bytes, got: str) -> None:
    with pytest.raises(VerificationError) as caught:
        parse_gateway_secret(raw, logged=(KEY.public,))
    assert fields_of(caught) == ("gateway's secret", "of a logged key", got)


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"keyId": 7, "secret": "07"}', secret_file(256)])
def test_what_is_no_secret_is_refused(raw: bytes) -> None:
    with pytest.raises(ParseError):
        parse_gateway_secret(raw, logged=(KEY.public,))


def test_a_tunnel_is_put_together_and_what_came_twice_counts_once() -> None:
    opened = (
        Opened(b"", OPEN, HELLO),
        going_on(1, b" world", b" WORLD"),
        going_on(1, b" world", b" WORLD"),
        going_on(2, b"", b"!"),
        Opened(b"", CloseTunnel(AUTHORITY, TUNNEL), TunnelClosed()),
    )
    assert tunnel_streams(opened) == {TUNNEL: Stream(b"hello world", b"HELLO WORLD!")}


def test_a_refused_request_carried_nothing() -> None:
    refused = TunnelProblem(status=401, what="token", expected="one", got="none", challenge="x")
    assert tunnel_streams((Opened(b"", OPEN, refused),)) == {}


@pytest.mark.parametrize(
    "opened",
    [
        (going_on(1, b"", b"late"),),
        (Opened(b"", OPEN, HELLO), going_on(2, b"", b"late")),
    ],
)
def test_a_tunnel_with_a_gap_is_refused(opened: tuple[Opened, ...]) -> None:
    with pytest.raises(FetchError) as caught:
        tunnel_streams(opened)
    what, expected, got = fields_of(caught)
    assert (what, expected) == ("recording of tunnels", "every request of a tunnel")
    assert got in ("number 1 alone", "number 2 alone")
