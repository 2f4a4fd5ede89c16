"""HTTP over a transport in memory: several exchanges, and when there are no more."""

from __future__ import annotations

import pytest

from verifier.client.deadline import Deadline
from verifier.client.http import Answer, HttpClient
from verifier.errors import FetchError, ParseError

PLAIN = b"HTTP/1.1 200 X\r\nContent-Length: 2\r\nContent-Type: text/x\r\n\r\nok"


class Canned:
    """A transport with these answers, one a request, which remembers what was sent."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.sent: list[bytes] = []

    def send(self, content: bytes, *, deadline: Deadline) -> None:
        del deadline
        self.sent.append(content)

    def receive(self, *, deadline: Deadline) -> bytes:
        del deadline
        return self._answers.pop(0) if self._answers else b""

    def close(self, *, deadline: Deadline) -> None:
        del deadline


def asked(client: HttpClient, body: bytes = b"question") -> Answer:
    fields = (("Host", "cvm"),)
    deadline = Deadline.after(5)
    return client.exchange("POST", "/", fields=fields, body=body, limit=9, deadline=deadline)


def test_one_after_the_other() -> None:
    client = HttpClient(Canned(PLAIN, PLAIN))
    for _ in range(2):
        assert not client.ended
        assert asked(client) == Answer(200, "text/x", b"ok")


@pytest.mark.parametrize(
    "last",
    [
        PLAIN.replace(b"X\r\n", b"X\r\nConnection: close\r\n"),
        PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
)
def test_after_the_last_answer_nothing_is_sent(last: bytes) -> None:
    transport = Canned(PLAIN, last, PLAIN)
    client = HttpClient(transport)
    asked(client)
    assert asked(client).content == b"ok"
    assert client.ended
    with pytest.raises(FetchError) as caught:
        asked(client, b"a prompt")
    error = caught.value
    assert (error.what, error.expected, error.got) == ("connection", "an answer", "it was closed")
    assert len(transport.sent) == 2


def test_after_half_an_answer_nothing_is_sent() -> None:
    transport = Canned(PLAIN[:-1])
    client = HttpClient(transport)
    for _ in range(2):
        with pytest.raises(FetchError):
            asked(client)
    assert len(transport.sent) == 1


def test_two_kinds_are_none() -> None:
    twice = PLAIN.replace(b"Content-Type", b"Content-Type: text/y\r\nContent-Type")
    with pytest.raises(ParseError) as caught:
        asked(HttpClient(Canned(twice)))
    error = caught.value
    assert (error.what, error.expected, error.got) == ("answer", "one Content-Type at most", "2")
    assert asked(HttpClient(Canned(b"HTTP/1.1 204 X\r\n\r\n"))) == Answer(204, "", b"")
