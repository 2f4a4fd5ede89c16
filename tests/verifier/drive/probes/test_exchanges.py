"""HTTP out of recordings: the very bytes, or a refusal."""

from __future__ import annotations

import pytest

from tests.verifier.drive.probes.recorded import HEAD, fields_of, message, recording
from verifier.drive.probes.exchanges import MAX_HEAD, read_exchanges, read_messages
from verifier.errors import AuditError, FetchError, ParseError

OK = (b"HTTP/1.1 200 OK",)


def test_exchanges_come_in_the_order_of_their_connections() -> None:
    first = recording(message(b"one") + message(b"two"), message(b"1", OK) + message(b"", OK))
    second = recording(message(b"three"), message(b"3", OK))
    exchanges = read_exchanges((first, second), what="hop")
    assert [each.request.body for each in exchanges] == [b"one", b"two", b"three"]
    assert [each.answer.body for each in exchanges] == [b"1", b"", b"3"]
    assert exchanges[0].request.head + exchanges[0].request.body == message(b"one")
    assert exchanges[0].request.lines == (*map(bytes.decode, HEAD), "Content-Length: 3")
    assert read_exchanges((), what="hop") == ()


def test_a_message_without_a_length_has_no_body() -> None:
    (only,) = read_messages(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", what="hop")
    assert (only.body, only.lines) == (b"", ("GET / HTTP/1.1", "Host: a"))


@pytest.mark.parametrize(
    ("raw", "kind", "fields"),
    [
        (
            b"POST / HTTP/1.1\r\nHost: a\r\n",
            FetchError,
            ("recording of hop", "whole messages", "26 bytes without an end of the head"),
        ),
        (
            b"GET / HTTP/1.1\r\nA: " + b"a" * MAX_HEAD + b"\r\n\r\n",
            FetchError,
            ("recording of hop", "whole messages", "16407 bytes without an end of the head"),
        ),
        (
            message(b"three")[:-2],
            FetchError,
            ("recording of hop", "whole messages", "3 of 5 bytes of a body"),
        ),
        (
            message(b"", (*HEAD, b"transfer-encoding: chunked")),
            ParseError,
            ("message on hop", "a Content-Length", "Transfer-Encoding"),
        ),
        (
            message(b"", (*HEAD, b"content-LENGTH: 0")),
            ParseError,
            ("message on hop", "one Content-Length", "2"),
        ),
    ],
)
def test_what_is_not_whole_or_plain_is_refused(
    raw: bytes, kind: type[AuditError], fields: tuple[str, str, str]
) -> None:
    with pytest.raises(kind) as caught:
        read_messages(raw, what="hop")
    assert fields_of(caught) == fields


def test_a_length_that_is_no_number_is_refused() -> None:
    with pytest.raises(ParseError) as caught:
        read_messages(b"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\na", what="hop")
    assert caught.value.what == "Content-Length on hop"


def test_a_request_without_an_answer_is_no_exchange() -> None:
    with pytest.raises(FetchError) as caught:
        read_exchanges((recording(message(b"one")),), what="hop")
    assert fields_of(caught) == (
        "recording of hop",
        "an answer to each",
        "1 requests, 0 answers",
    )
