"""Binary HTTP: the examples of RFC 9292, round trips, every part with each thing wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.tlog.rejection import rejects
from tests.verifier.wire import path_vectors as vectors
from verifier.errors import ParseError
from verifier.wire.bhttp import (
    MAX_CHUNKS,
    MAX_CONTENT,
    MAX_FIELDS,
    MAX_INFORMATIONAL,
    MAX_MESSAGE,
    MAX_SECTION,
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
from verifier.wire.varint import encode_varint

EXAMPLE = BinaryRequest(
    method="GET",
    scheme="https",
    authority="",
    path="/hello.txt",
    fields=(
        Field("user-agent", b"curl/7.16.3 libcurl/7.16.3 OpenSSL/0.9.7l zlib/1.2.3"),
        Field("host", b"www.example.com"),
        Field("accept-language", b"en, mi"),
    ),
    content=b"",
    trailers=(),
)
PLAIN = BinaryResponse(informational=(), status=200, fields=(), content=b"", trailers=())
HEAD = b"\x00\x03GET\x05https\x01a\x01/"
NAMES = st.from_regex(r"[!#$%&'*+\-.^_`|~0-9a-z]{1,20}", fullmatch=True)
VALUES = st.from_regex(rb"([!-~\x80-\xff]([\t -~\x80-\xff]{0,20}[!-~\x80-\xff])?)?", fullmatch=True)
SECTIONS = st.lists(st.builds(Field, NAMES, VALUES), max_size=4).map(tuple)
REQUESTS = st.builds(
    BinaryRequest,
    method=st.from_regex(r"[A-Z]{1,7}", fullmatch=True).filter(lambda method: method != "CONNECT"),
    scheme=st.sampled_from(["http", "https"]),
    authority=st.sampled_from(["", "a.test", "[::1]:8443"]),
    path=st.from_regex(r'/[!"$-~]{0,30}|\*', fullmatch=True),
    fields=SECTIONS,
    content=st.binary(max_size=200),
    trailers=SECTIONS,
)
RESPONSES = st.builds(
    BinaryResponse,
    informational=st.lists(
        st.builds(InformationalResponse, st.integers(100, 199), SECTIONS), max_size=3
    ).map(tuple),
    status=st.integers(200, 599),
    fields=SECTIONS,
    content=st.binary(max_size=200),
    trailers=SECTIONS,
)


def sized(content: bytes) -> bytes:
    return encode_varint(len(content)) + content


def lines(fields: tuple[Field, ...]) -> bytes:
    return b"".join(sized(field.name.encode()) + sized(field.value) for field in fields)


def indeterminate(message: BinaryRequest | BinaryResponse, cuts: int) -> bytes:
    """The message without lengths, written as RFC 9292 section 3.2 says, content in pieces."""
    if isinstance(message, BinaryRequest):
        control = (message.method, message.scheme, message.authority, message.path)
        raw = b"\x02" + b"".join(sized(part.encode()) for part in control)
    else:
        raw = b"\x03" + b"".join(
            encode_varint(each.status) + lines(each.fields) + b"\x00"
            for each in message.informational
        )
        raw += encode_varint(message.status)
    pieces = [message.content[at : at + cuts] for at in range(0, len(message.content), cuts)]
    content = b"".join(map(sized, pieces))
    return raw + lines(message.fields) + b"\x00" + content + b"\x00" + lines(message.trailers)


def test_the_request_of_the_standard() -> None:
    assert parse_request(vectors.BHTTP_REQUEST) == EXAMPLE
    assert encode_request(EXAMPLE) == vectors.BHTTP_REQUEST
    assert parse_request(vectors.BHTTP_INDETERMINATE_REQUEST) == EXAMPLE


def test_the_request_of_the_standard_may_be_cut_where_it_says() -> None:
    for cut in (1, 2):
        assert parse_request(vectors.BHTTP_REQUEST[:-cut]) == EXAMPLE
    for cut in range(13):
        raw = vectors.BHTTP_INDETERMINATE_REQUEST
        assert parse_request(raw[: len(raw) - cut]) == EXAMPLE
    with pytest.raises(ParseError):
        parse_request(vectors.BHTTP_REQUEST[:-3])
    with pytest.raises(ParseError):
        parse_request(vectors.BHTTP_INDETERMINATE_REQUEST[:-13])


def test_the_responses_of_the_standard() -> None:
    response = parse_response(vectors.BHTTP_RESPONSE)
    assert [each.status for each in response.informational] == [102, 103]
    assert response.informational[0].fields == (Field("running", b'"sleep 15"'),)
    assert [field.name for field in response.informational[1].fields] == ["link", "link"]
    assert (response.status, len(response.fields)) == (200, 8)
    assert response.content == b"Hello World! My content includes a trailing CRLF.\r\n"
    assert response.trailers == ()
    trailing = parse_response(vectors.BHTTP_TRAILING_RESPONSE)
    assert trailing.content == b"This content contains CRLF.\r\n"
    assert trailing.trailers == (Field("trailer", b"text"),)
    assert encode_response(trailing) == vectors.BHTTP_TRAILING_RESPONSE


def test_the_messages_of_oblivious_http_end_before_their_fields() -> None:
    request = parse_request(vectors.OHTTP_PLAIN_REQUEST)
    assert (request.authority, request.fields, request.content) == ("example.com", (), b"")
    assert parse_response(vectors.OHTTP_PLAIN_RESPONSE) == PLAIN


@given(REQUESTS, st.integers(1, 50), st.integers(0, 50))
def test_a_request_is_read_as_written(request: BinaryRequest, cuts: int, padding: int) -> None:
    raw = encode_request(request)
    assert parse_request(raw) == request
    assert parse_request(pad_message(raw, size=len(raw) + padding)) == request
    raw = indeterminate(request, cuts) + b"\x00"
    assert parse_request(raw + bytes(padding)) == request


@given(RESPONSES, st.integers(1, 50), st.integers(0, 50))
def test_a_response_is_read_as_written(response: BinaryResponse, cuts: int, padding: int) -> None:
    raw = encode_response(response)
    assert parse_response(raw) == response
    assert parse_response(pad_message(raw, size=len(raw) + padding)) == response
    raw = indeterminate(response, cuts) + b"\x00"
    assert parse_response(raw + bytes(padding)) == response


@given(REQUESTS, st.data())
def test_a_cut_request_is_refused_or_has_nothing_behind_the_cut(
    request: BinaryRequest, data: st.DataObject
) -> None:
    raw = encode_request(request)
    cut = raw[: data.draw(st.integers(0, len(raw) - 1))]
    try:
        read = parse_request(cut)
    except ParseError:
        return
    # What was read lacks whole parts, at the end alone.
    emptied = [request, replace(request, trailers=())]
    emptied += [replace(emptied[1], content=b""), replace(emptied[1], content=b"", fields=())]
    assert read in emptied


@pytest.mark.parametrize("framing", [1, 3, 4, 63])
def test_another_framing_is_no_request(framing: int) -> None:
    what = "framing indicator of the binary request"
    with rejects(ParseError, what, expected="^0 or 2$", got=f"^{framing}$"):
        parse_request(bytes((framing,)) + HEAD[1:])
    with rejects(
        ParseError, "framing indicator of the binary response", expected="^1 or 3$", got="^0$"
    ):
        parse_response(vectors.BHTTP_REQUEST)


@pytest.mark.parametrize(
    ("control", "part", "expected", "got"),
    [
        ((b"", b"https", b"a", b"/"), "method", "RFC 9110", "b''"),
        ((b"G T", b"https", b"a", b"/"), "method", "RFC 9110", "G T"),
        ((b"A" * 33, b"https", b"a", b"/"), "method", "at most 32 bytes", "33"),
        ((b"CONNECT", b"https", b"a", b"/"), "method", "no CONNECT", "CONNECT"),
        ((b"GET", b"", b"a", b"/"), "scheme", "RFC 9110", "b''"),
        ((b"GET", b"HTTPS", b"a", b"/"), "scheme", "RFC 9110", "HTTPS"),
        ((b"GET", b"h" * 17, b"a", b"/"), "scheme", "at most 16 bytes", "17"),
        ((b"GET", b"https", b"u@a", b"/"), "authority", "RFC 9110", "u@a"),
        ((b"GET", b"https", b"a\xff", b"/"), "authority", "RFC 9110", "xff"),
        ((b"GET", b"https", b"a" * 256, b"/"), "authority", "at most 255 bytes", "256"),
        ((b"GET", b"https", b"a", b""), "path", "RFC 9110", "b''"),
        ((b"GET", b"https", b"a", b"x"), "path", "RFC 9110", "b'x'"),
        ((b"GET", b"https", b"a", b"/#x"), "path", "RFC 9110", "#x"),
        ((b"GET", b"https", b"a", b"/ x"), "path", "RFC 9110", "/ x"),
        ((b"GET", b"https", b"a", b"/" * 2049), "path", "at most 2048 bytes", "2049"),
    ],
)
def test_wrong_control_data_is_refused(
    control: tuple[bytes, ...], part: str, expected: str, got: str
) -> None:
    raw = b"\x00" + b"".join(map(sized, control))
    with rejects(ParseError, f"{part} of the binary request", expected=expected, got=got):
        parse_request(raw)


@pytest.mark.parametrize(
    ("name", "value", "part", "expected", "got"),
    [
        (b"", b"", "name in the fields", "RFC 9110", "b''"),
        (b"Host", b"", "name in the fields", "RFC 9110", "Host"),
        (b"ho st", b"", "name in the fields", "RFC 9110", "ho st"),
        (b":method", b"GET", "name in the fields", "RFC 9110", ":method"),
        (b":x", b"", "name in the fields", "RFC 9110", ":x"),
        (b"a" * 257, b"", "name in the fields", "at most 256 bytes", "257"),
        (b"a", b" x", "value in the fields", "RFC 9110", " x"),
        (b"a", b"x\t", "value in the fields", "RFC 9110", "x"),
        (b"a", b"x\r\ny", "value in the fields", "RFC 9110", "x"),
        (b"a", b"x\x00y", "value in the fields", "RFC 9110", "x00"),
        (b"a", b"x" * 8193, "value in the fields", "at most 8192 bytes", "8193"),
    ],
)
def test_a_wrong_field_is_refused(
    name: bytes, value: bytes, part: str, expected: str, got: str
) -> None:
    with rejects(ParseError, f"{part} of the binary request", expected=expected, got=got):
        parse_request(HEAD + sized(sized(name) + sized(value)))
    with rejects(ParseError, "name in the trailers of the binary request", expected="R", got="X"):
        parse_request(HEAD + b"\x00\x00" + sized(sized(b"X") + sized(b"")))


def test_a_field_stays_in_its_section() -> None:
    line = sized(b"name") + sized(b"value")
    what = "fields of the binary request"
    expected = f"^field lines of {len(line) - 1} bytes$"
    with rejects(ParseError, what, expected=expected, got=f"^{len(line)}$"):
        parse_request(HEAD + encode_varint(len(line) - 1) + line)
    with rejects(ParseError, what, expected="^6 bytes$", got="^5$"):
        parse_request(HEAD + b"\x06\x01a\x00\x01b")
    with rejects(ParseError, "fields of the binary request", expected="of 1 bytes", got="^0$"):
        parse_request(b"\x02" + HEAD[1:] + line)


def test_sections_have_limits() -> None:
    what = "fields of the binary request"
    many = (sized(b"a") + sized(b"")) * (MAX_FIELDS + 1)
    for raw in (HEAD + sized(many), b"\x02" + HEAD[1:] + many + b"\x00"):
        with rejects(ParseError, what, expected=f"at most {MAX_FIELDS} fields", got="more"):
            parse_request(raw)
    long = (sized(b"a") + sized(b"x" * 8192)) * 4
    with rejects(ParseError, what, expected=f"at most {MAX_SECTION} bytes", got=f"{len(long)}"):
        parse_request(HEAD + sized(long))
    with rejects(ParseError, what, expected=f"at most {MAX_SECTION} bytes", got="more"):
        parse_request(b"\x02" + HEAD[1:] + long + b"\x00")


def test_content_has_limits() -> None:
    what = "content of the binary request"
    most = HEAD + b"\x00" + sized(bytes(MAX_CONTENT))
    assert len(parse_request(most).content) == MAX_CONTENT
    with rejects(ParseError, what, expected=f"at most {MAX_CONTENT}", got=f"{MAX_CONTENT + 1}"):
        parse_request(HEAD + b"\x00" + sized(bytes(MAX_CONTENT + 1)))
    chunked = b"\x02" + HEAD[1:] + b"\x00" + sized(bytes(MAX_CONTENT)) + b"\x01a\x00"
    with rejects(ParseError, what, expected="at most 0 bytes", got="^1$"):
        parse_request(chunked)
    with rejects(ParseError, what, expected=f"at most {MAX_CHUNKS} chunks", got="more"):
        parse_request(b"\x02" + HEAD[1:] + b"\x00" + b"\x01a" * (MAX_CHUNKS + 1) + b"\x00")
    with rejects(ParseError, what, expected="^5 bytes$", got="^3$"):
        parse_request(HEAD + b"\x00\x05abc")


@pytest.mark.parametrize("parse", [parse_request, parse_response])
def test_a_message_has_a_limit(parse: Callable[[bytes], Any]) -> None:
    what = f"binary {parse.__name__.removeprefix('parse_')}"
    with rejects(ParseError, what, expected=f"at most {MAX_MESSAGE} bytes", got="bytes$"):
        parse(bytes(MAX_MESSAGE + 1))


def test_padding_is_zeros() -> None:
    assert parse_request(HEAD + bytes(100)).content == b""
    what = "padding of the binary request"
    with rejects(ParseError, what, expected="zero bytes", got="another byte"):
        parse_request(HEAD + bytes(100) + b"\x01")
    with pytest.raises(ValueError, match="does not fit into 3"):
        pad_message(HEAD, size=3)


@pytest.mark.parametrize("status", [0, 99, 600, 16_383])
def test_another_status_is_refused(status: int) -> None:
    what = "status of the binary response"
    with rejects(ParseError, what, expected="100 to 599", got=f"^{status}$"):
        parse_response(b"\x01" + encode_varint(status))


def test_informational_responses_are_few_and_come_before_a_final_one() -> None:
    one = encode_varint(103) + b"\x00"
    most = b"\x01" + one * MAX_INFORMATIONAL
    final = encode_varint(200)
    assert len(parse_response(most + final).informational) == MAX_INFORMATIONAL
    what = "informational responses of the binary response"
    with rejects(ParseError, what, expected=f"at most {MAX_INFORMATIONAL}", got="more"):
        parse_response(most + one + final)
    for cut in (b"\x01" + one, b"\x01" + one[:-1]):
        with rejects(ParseError, "status of the binary response", expected="of 1 b", got="^0$"):
            parse_response(cut)


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "G T"},
        {"authority": "ä"},
        {"path": "x"},
        {"fields": (Field("Host", b""),)},
        {"trailers": (Field("a", b" "),)},
        {"content": bytes(MAX_CONTENT + 1)},
    ],
)
def test_what_no_request_can_say_is_not_written(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no binary message can say this"):
        encode_request(replace(EXAMPLE, **changes))


@pytest.mark.parametrize(
    "changes",
    [{"status": 103}, {"status": 600}, {"informational": (InformationalResponse(200, ()),)}],
)
def test_what_no_response_can_say_is_not_written(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no binary message can say this"):
        encode_response(replace(PLAIN, **changes))


def test_a_response_that_would_be_read_as_another_is_not_written() -> None:
    # Its "informational" response is a final one, and the zeros behind fit as content and trailers.
    twisted = replace(PLAIN, informational=(InformationalResponse(200, ()),), content=bytes(198))
    with pytest.raises(ValueError, match="it would be read as another"):
        encode_response(twisted)
