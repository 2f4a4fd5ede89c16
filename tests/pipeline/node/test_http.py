"""Deadlines of HTTP, on a stream in memory that remembers them."""

from __future__ import annotations

import time
from http import HTTPStatus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.node.http import Answer, HttpConnection, Request
from verifier.errors import FetchError

REQUEST = b"POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Type: text/x\r\nContent-Length: 3\r\n\r\nabc"


class Memory:
    """Gives the pieces one after the other, then is silent for ever."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.deadlines: list[float] = []
        self.sent = b""

    def receive(self, *, deadline: float) -> bytes:
        self.deadlines.append(deadline)
        if not self.pieces:
            raise FetchError("TLS", expected="the client in time", got="silence")
        return self.pieces.pop(0)

    def send(self, content: bytes, *, deadline: float) -> None:
        self.deadlines.append(deadline)
        self.sent += content


def test_a_client_that_dribbles_gets_no_more_time() -> None:
    start = time.monotonic()
    stream = Memory(*(bytes([byte]) for byte in REQUEST))
    request = HttpConnection(stream).receive_request()
    assert request == Request("POST", "/v1/x", "text/x", b"abc")
    idle, *rest = stream.deadlines
    assert 59 < idle - start < 61
    assert rest == sorted(rest, reverse=True)
    assert rest[0] - start < 31


def test_silence_within_a_request_is_not_its_end() -> None:
    for size in (1, 10, len(REQUEST) - 1):
        with pytest.raises(FetchError, match="silence"):
            HttpConnection(Memory(REQUEST[:size])).receive_request()


def test_the_end_between_requests_is_the_end() -> None:
    assert HttpConnection(Memory(b"")).receive_request() is None


def test_the_end_within_a_request_is_refused() -> None:
    answer = HttpConnection(Memory(REQUEST[:-1], b"")).receive_request()
    assert isinstance(answer, Answer)
    assert answer.status is HTTPStatus.BAD_REQUEST


def test_two_media_types_are_none() -> None:
    head, _, body = REQUEST.partition(b"\r\n\r\n")
    stream = Memory(head + b"\r\nContent-Type: text/y\r\n\r\n" + body)
    request = HttpConnection(stream).receive_request()
    assert isinstance(request, Request)
    assert request.media_type == ""


def test_an_answer_is_written_whole_and_within_a_time() -> None:
    stream = Memory(REQUEST)
    connection = HttpConnection(stream)
    connection.receive_request()
    start = time.monotonic()
    connection.send_answer(Answer(HTTPStatus.OK, "text/x", b"yes", (("A", "b"),)), last=True)
    assert stream.sent.startswith(b"HTTP/1.1 200 OK\r\n")
    assert stream.sent.endswith(b"\r\n\r\nyes")
    for field in (b"Content-Length: 3", b"A: b", b"Cache-Control: no-store", b"Connection: close"):
        assert field.lower() in stream.sent.lower()
    assert stream.deadlines[-1] - start < 31


@settings(max_examples=200)
@given(st.binary(max_size=300), st.integers(0, len(REQUEST)))
def test_whatever_comes_is_a_request_a_refusal_or_the_end(noise: bytes, place: int) -> None:
    stream = Memory(REQUEST[:place] + noise + REQUEST[place:], b"")
    answer = HttpConnection(stream).receive_request()
    assert answer is None or isinstance(answer, Request | Answer)
    if isinstance(answer, Answer):
        assert 400 <= answer.status < 500
