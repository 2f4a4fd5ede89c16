"""The tunnel as its client walks it, against a relay and gateway that say what a test wants."""

from __future__ import annotations

import contextlib
import itertools
import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.verifier.client.scripted import Scripted, http, scripted
from tests.verifier.wire.path_messages import token
from verifier.client.deadline import Deadline
from verifier.client.tunnel import (
    GatewayPlace,
    KeyRefusedError,
    TokenRefusedError,
    TunnelTransport,
)
from verifier.client.web import parse_url
from verifier.errors import AuditError, FetchError, VerificationError
from verifier.wire.ohttp import gateway_key, open_request
from verifier.wire.ohttp_keys import Suite
from verifier.wire.ohttp_media import KEY_PROBLEM, OHTTP_RESPONSE_MEDIA_TYPE
from verifier.wire.tunnel import (
    BUCKETS,
    MAX_RECORDS,
    CloseTunnel,
    ContinueTunnel,
    OpenTunnel,
    TunnelRequest,
    parse_tunnel_request,
)
from verifier.wire.tunnel_answer import (
    TunnelAnswer,
    TunnelClosed,
    TunnelProblem,
    TunnelReply,
    encode_tunnel_answer,
)

AUTHORITY = "gateway.test"
TUNNEL = bytes(range(16))
KEY = gateway_key(key_id=1, secret=b"\x01" * 32, suites=(Suite(1, 1),))
PROBLEM = "application/problem+json"

Say = Callable[[TunnelRequest], TunnelReply | bytes | None]
"""What comes back for a request: a gateway's reply, a relay's own bytes, or the end."""


@dataclass
class Gateway:
    """A relay and gateway in one, which remembers what it was asked."""

    server: Scripted
    asked: list[TunnelRequest] = field(default_factory=list)

    def transport(self) -> TunnelTransport:
        relay = parse_url(self.server.url, what="relay")
        return TunnelTransport(GatewayPlace(relay, AUTHORITY, KEY.public), token())


@contextlib.contextmanager
def gateway(say: Say) -> Iterator[Gateway]:
    asked: list[TunnelRequest] = []

    def answer(body: bytes) -> bytes | None:
        raw, sealer = open_request((KEY,), body)
        request = parse_tunnel_request(raw)
        asked.append(request)
        reply = say(request)
        if reply is None or isinstance(reply, bytes):
            return reply
        nonce = secrets.token_bytes(sealer.nonce_size())
        sealed = sealer.seal_response(encode_tunnel_answer(reply), nonce=nonce)
        return http(sealed, OHTTP_RESPONSE_MEDIA_TYPE)

    with scripted(answer) as server:
        yield Gateway(server, asked)


def saying(*replies: TunnelReply | bytes | None) -> Say:
    """These, one after the other, and the last one ever after."""
    left = itertools.chain(replies, itertools.repeat(replies[-1]))
    return lambda _request: next(left)


def echo(request: TunnelRequest) -> TunnelReply:
    if isinstance(request, CloseTunnel):
        return TunnelClosed()
    return TunnelAnswer(TUNNEL, request.records.upper())


def problem(status: int) -> TunnelProblem:
    challenge = 'PrivateToken challenge="AAAA"' if status == 401 else ""
    return TunnelProblem(
        status=status, what="thing", expected="one", got="another", challenge=challenge
    )


def soon(seconds: float = 5.0) -> Deadline:
    return Deadline.after(seconds)


def opened(found: Gateway) -> TunnelTransport:
    transport = found.transport()
    transport.send(b"hello", deadline=soon())
    assert transport.receive(deadline=soon()) == b"HELLO"
    return transport


def test_a_tunnel_opens_goes_on_and_closes() -> None:
    with gateway(echo) as found:
        transport = opened(found)
        transport.send(b"two", deadline=soon())
        transport.send(b" three", deadline=soon())
        assert transport.receive(deadline=soon()) == b"TWO THREE"
        transport.close(deadline=soon())
        transport.close(deadline=soon())
    assert found.asked == [
        OpenTunnel(AUTHORITY, token(), b"hello"),
        ContinueTunnel(AUTHORITY, TUNNEL, 1, b"two three"),
        CloseTunnel(AUTHORITY, TUNNEL),
    ]
    heads = {head.split(b"Content-Length")[0] for head in found.server.heads}
    assert heads == {
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n"
        b"Content-Type: message/ohttp-req\r\n" % found.server.address[1]
    }
    # A key of its own for each request, and no length but those of buckets.
    assert len({body[7:39] for body in found.server.bodies}) == 3
    assert {len(body) - 39 - 16 for body in found.server.bodies} <= set(BUCKETS)


def test_nothing_is_sent_before_there_is_an_answer_to_wait_for() -> None:
    with gateway(echo) as found:
        transport = found.transport()
        transport.send(b"hello", deadline=soon())
        transport.close(deadline=soon())
    assert found.server.bodies == []


def test_more_than_a_message_holds_goes_into_several() -> None:
    with gateway(echo) as found:
        transport = opened(found)
        whole = secrets.token_bytes(MAX_RECORDS + 7)
        transport.send(whole, deadline=soon())
        assert transport.receive(deadline=soon()) == whole.upper()
    sizes = [len(each.records) for each in found.asked if isinstance(each, ContinueTunnel)]
    assert sizes == [MAX_RECORDS, 7]


def test_the_same_number_with_the_same_bytes_after_a_lost_answer() -> None:
    lost = (http(b"", PROBLEM, 504), None)
    replies = [TunnelAnswer(TUNNEL, b"HELLO"), *lost, TunnelAnswer(TUNNEL, b"X")]
    with gateway(saying(*replies)) as found:
        transport = opened(found)
        transport.send(b"x", deadline=soon())
        assert transport.receive(deadline=soon()) == b"X"
        transport.send(b"y", deadline=soon())
        transport.receive(deadline=soon())
    asked = [each for each in found.asked if isinstance(each, ContinueTunnel)]
    assert [(each.sequence, each.records) for each in asked] == [(1, b"x")] * 3 + [(2, b"y")]
    assert len({body[7:39] for body in found.server.bodies}) == 5


def test_what_is_lost_three_times_is_lost() -> None:
    with gateway(saying(TunnelAnswer(TUNNEL, b"HELLO"), None)) as found:
        transport = opened(found)
        transport.send(b"x", deadline=soon())
        with pytest.raises(FetchError) as caught:
            transport.receive(deadline=soon())
    assert caught.value.got == "it was closed"
    assert len(found.asked) == 4


def test_an_opening_is_not_repeated_because_its_token_may_be_spent() -> None:
    with gateway(saying(http(b"", PROBLEM, 504))) as found:
        transport = found.transport()
        transport.send(b"x", deadline=soon())
        with pytest.raises(FetchError) as caught:
            transport.receive(deadline=soon())
    assert caught.value.got == "status 504: the gateway does not answer it"
    assert len(found.asked) == 1


def test_an_empty_answer_is_asked_again_ever_more_slowly() -> None:
    empty = TunnelAnswer(TUNNEL, b"")
    replies = [*[empty] * 4, TunnelAnswer(TUNNEL, b"late")]
    with gateway(saying(*replies)) as found:
        transport = found.transport()
        transport.send(b"x", deadline=soon())
        began = time.monotonic()
        assert transport.receive(deadline=soon()) == b"late"
        assert time.monotonic() - began >= 0.02 + 0.04 + 0.08
    asked = [each for each in found.asked if isinstance(each, ContinueTunnel)]
    assert [(each.sequence, each.records) for each in asked] == [(n, b"") for n in range(1, 5)]


def test_a_cvm_that_stays_silent_is_waited_for_until_the_deadline() -> None:
    with gateway(saying(TunnelAnswer(TUNNEL, b""))) as found:
        transport = found.transport()
        transport.send(b"x", deadline=soon())
        began = time.monotonic()
        with pytest.raises(FetchError) as caught:
            transport.receive(deadline=soon(0.5))
        assert time.monotonic() - began < 3
    assert caught.value.got == "nothing within 0.5 s"
    assert len(found.asked) < 10


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, VerificationError),
        (401, TokenRefusedError),
        (404, FetchError),
        (409, VerificationError),
        (429, FetchError),
        (502, FetchError),
        (503, FetchError),
    ],
)
def test_a_problem_is_an_error_of_its_kind(status: int, error: type[AuditError]) -> None:
    for opening in (True, False):
        replies = (
            [problem(status)] if opening else [TunnelAnswer(TUNNEL, b"HELLO"), problem(status)]
        )
        with gateway(saying(*replies)) as found:
            transport = found.transport() if opening else opened(found)
            transport.send(b"x", deadline=soon())
            with pytest.raises(error) as caught:
                transport.receive(deadline=soon())
        assert type(caught.value) is error
        assert (caught.value.what, caught.value.expected) == ("gateway", "'one'")
        assert caught.value.got == f"status {status}: 'thing': 'another'"
        assert len(found.asked) == len(replies)  # said by the gateway, so not asked again


def test_the_end_of_the_cvm_is_the_end_of_the_connection() -> None:
    with gateway(saying(TunnelAnswer(TUNNEL, b"HELLO"), problem(410))) as found:
        transport = opened(found)
        assert transport.receive(deadline=soon()) == b""
        assert transport.receive(deadline=soon()) == b""
    assert len(found.asked) == 2


def key_problem(kind: object) -> bytes:
    return http(json.dumps({"type": kind}).encode(), PROBLEM, 400)


def test_a_gateway_without_the_logged_key() -> None:
    with gateway(saying(key_problem(KEY_PROBLEM))) as found:
        transport = found.transport()
        transport.send(b"x", deadline=soon())
        with pytest.raises(KeyRefusedError) as caught:
            transport.receive(deadline=soon())
    assert caught.value.expected == "the key that is logged"


@pytest.mark.parametrize(
    ("answer", "got"),
    [
        (key_problem("about:blank"), "status 400 with 'application/problem+json'"),
        (http(b"[]", PROBLEM, 400), "status 400 with 'application/problem+json'"),
        (http(b"{", PROBLEM, 400), "status 400 with 'application/problem+json'"),
        (http(b"x", "text/html", 400), "status 400 with 'text/html'"),
        (
            http(b"x", OHTTP_RESPONSE_MEDIA_TYPE, 203),
            f"status 203 with '{OHTTP_RESPONSE_MEDIA_TYPE}'",
        ),
        (http(b"x", "message/ohttp-req", 200), "status 200 with 'message/ohttp-req'"),
        (http(b"", "x", 502), "status 502: the gateway does not answer it"),
    ],
)
def test_a_relay_that_says_something_else(answer: bytes, got: str) -> None:
    with gateway(saying(answer)) as found:
        transport = found.transport()
        transport.send(b"x", deadline=soon())
        with pytest.raises(FetchError) as caught:
            transport.receive(deadline=soon())
    assert (caught.value.what, caught.value.got) == ("answer of the relay", got)
    assert caught.value.expected == f"200 with {OHTTP_RESPONSE_MEDIA_TYPE}"


def test_a_response_that_the_relay_made_up() -> None:
    with gateway(saying(http(bytes(1100), OHTTP_RESPONSE_MEDIA_TYPE))) as found:
        transport = found.transport()
        transport.send(b"x", deadline=soon())
        with pytest.raises(VerificationError) as caught:
            transport.receive(deadline=soon())
    assert caught.value.expected == "the response to this request"


def test_an_answer_in_another_tunnel() -> None:
    replies = TunnelAnswer(TUNNEL, b"HELLO"), TunnelAnswer(bytes(16), b"x")
    with gateway(saying(*replies)) as found:
        transport = opened(found)
        with pytest.raises(VerificationError) as caught:
            transport.receive(deadline=soon())
    assert (caught.value.expected, caught.value.got) == (TUNNEL.hex(), bytes(16).hex())


def test_a_closing_that_nobody_asked_for() -> None:
    with gateway(saying(TunnelClosed())) as found:
        transport = found.transport()
        transport.send(b"x", deadline=soon())
        with pytest.raises(VerificationError) as caught:
            transport.receive(deadline=soon())
    assert (caught.value.what, caught.value.got) == ("answer of the gateway", "an end")


def test_past_the_deadline_not_even_an_end_is_sent() -> None:
    with gateway(echo) as found:
        transport = opened(found)
        transport.close(deadline=soon(0))
        assert transport.receive(deadline=soon()) == b""
    assert len(found.asked) == 1


def test_closing_does_not_mind_the_weather() -> None:
    with gateway(saying(TunnelAnswer(TUNNEL, b"HELLO"), None)) as found:
        opened(found).close(deadline=soon())
    assert isinstance(found.asked[-1], CloseTunnel)


def test_the_numbers_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verifier.client.tunnel.MAX_SEQUENCE", 1)
    with gateway(echo) as found:
        transport = opened(found)
        transport.send(b"x", deadline=soon())
        transport.receive(deadline=soon())
        transport.send(b"y", deadline=soon())
        with pytest.raises(FetchError) as caught:
            transport.receive(deadline=soon())
    assert (caught.value.expected, caught.value.got) == ("at most 1 requests", "one more")
