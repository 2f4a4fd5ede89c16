"""HTTP as every role speaks it: what is refused before a route sees anything, and what is not said.

Tried on the issuer, whose routes take a body and none.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator, MutableMapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from pipeline.role.counts import Counts
from pipeline.role.exchange import Application, Asked, Route
from pipeline.role.life import MAX_HEAD
from pipeline.role.problem import Answer
from tests.pipeline.roles import SECONDS, PathKeys, Running, received, running
from verifier.wire.token_issuance import DIRECTORY_PATH, REQUEST_MEDIA_TYPE, TOKEN_REQUEST_SIZE

TARGET = "/token-request"
CLOSE = "Connection: close\r\n"
TYPE = f"Content-Type: {REQUEST_MEDIA_TYPE}\r\n"


@pytest.fixture(scope="module")
def role(path_keys: PathKeys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("role")
    options = path_keys.issuer_options(folder / "issued.sqlite")
    patch = "import pipeline.role.exchange as e; e.BODY_SECONDS = 0.4"
    with running("issuer", *options, folder=folder, patch=patch) as found:
        yield found


def post(fields: str, body: bytes = b"") -> bytes:
    return f"POST {TARGET} HTTP/1.1\r\nHost: x\r\n{CLOSE}{fields}\r\n".encode() + body


def refused(role: Running, raw: bytes) -> tuple[int, str, str, str, str]:
    from tests.pipeline.roles import parsed

    reply = parsed(role.send(raw))
    assert reply.fields["connection"] == "close"
    return reply.refusal


def test_an_unknown_target_is_refused(role: Running) -> None:
    expected = f"{DIRECTORY_PATH} or {TARGET}"
    for target in ("/", f"{TARGET}/", f"{TARGET}?a", f"{TARGET}%20", "http://x" + TARGET, "*"):
        reply = role.ask("POST", target)
        assert reply.refusal == (404, "target", "target", expected, repr(target))


def test_another_method_is_refused(role: Running) -> None:
    for method in ("GET", "PUT", "OPTIONS", "DELETE"):
        reply = role.ask(method, TARGET)
        assert reply.refusal == (405, "method", "method", "POST", repr(method))
        assert reply.fields["allow"] == "POST"
    assert role.ask("HEAD", DIRECTORY_PATH).status == 405


def test_a_body_needs_a_length(role: Running) -> None:
    expected = "a body with a Content-Length"
    assert refused(role, post(TYPE)) == (411, "length", "body", expected, "none")
    chunked = post(f"{TYPE}Transfer-Encoding: chunked\r\n", b"1\r\nx\r\n0\r\n\r\n")
    refusal = (411, "length", "body", "a Content-Length", "Transfer-Encoding")
    assert refused(role, chunked) == refusal


def test_too_long_a_body_is_refused_before_it_comes(role: Running) -> None:
    size = TOKEN_REQUEST_SIZE + 1
    refusal = (413, "length", "body", f"at most {TOKEN_REQUEST_SIZE} bytes", str(size))
    assert refused(role, post(f"{TYPE}Content-Length: {size}\r\n")) == refusal


def test_a_body_has_one_media_type(role: Running) -> None:
    length = "Content-Length: 1\r\n"
    what, nothing = "Content-Type", "none, or several"
    for fields, got in (
        ("", nothing),
        (TYPE + TYPE, nothing),
        ("Content-Type: text/plain\r\n", "'text/plain'"),
    ):
        refusal = (415, "media-type", what, REQUEST_MEDIA_TYPE, got)
        assert refused(role, post(fields + length, b"x")) == refusal


@pytest.mark.parametrize(("takes", "given"), [(True, "Bearer x"), (False, "")])
def test_a_route_is_given_the_authorization_only_if_it_takes_it(*, takes: bool, given: str) -> None:
    seen: list[Asked] = []

    def answer(asked: Asked) -> Answer:
        seen.append(asked)
        return Answer(HTTPStatus.OK, "text/plain", b"")

    route = Route(
        method="GET",
        path="/",
        media_type="",
        limit=0,
        answer=answer,
        takes_authorization=takes,
    )
    fields = [(b"authorization", b"Bearer x"), (b"cookie", b"who=alice")]
    scope: dict[str, object] = {
        "type": "http",
        "method": "GET",
        "raw_path": b"/",
        "headers": fields,
    }
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    application = Application((route,), Counts(()))
    asyncio.run(application({**scope, "query_string": b""}, receive, send))
    assert seen == [Asked(b"", given)]
    assert sent[0]["status"] == 200


def test_a_slow_body_is_refused(role: Running) -> None:
    raw = post(f"{TYPE}Content-Length: {TOKEN_REQUEST_SIZE}\r\n", b"only this")
    expected = f"{TOKEN_REQUEST_SIZE} bytes within 0.4 s"
    assert refused(role, raw) == (408, "slow-body", "body", expected, "9")


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"POST /token-request HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nLong: " + b"x" * MAX_HEAD,
    ],
    ids=["line", "host", "length", "lengths", "long"],
)
def test_what_is_no_http_is_refused(role: Running, raw: bytes) -> None:
    assert role.send(raw).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_an_answer_tells_nothing_of_the_server_or_the_time(role: Running) -> None:
    raw = role.send(f"GET {DIRECTORY_PATH} HTTP/1.1\r\nHost: x\r\n{CLOSE}\r\n".encode())
    names = {line.split(b":")[0].lower() for line in raw.split(b"\r\n\r\n")[0].split(b"\r\n")[1:]}
    assert names == {b"content-type", b"cache-control", b"content-length", b"connection"}


def test_no_upgrade_to_another_protocol(role: Running) -> None:
    fields = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    raw = f"GET {DIRECTORY_PATH} HTTP/1.1\r\nHost: x\r\n{fields}\r\n"
    with socket.create_connection(role.address, timeout=SECONDS) as client:
        client.sendall(raw.encode())
        assert client.recv(12) == b"HTTP/1.1 200"


def test_a_connection_without_an_answer_is_cut(path_keys: PathKeys, tmp_path: Path) -> None:
    options = path_keys.issuer_options(tmp_path / "issued.sqlite")
    patch = "import pipeline.role.life as l; l.EXCHANGE_SECONDS = 0.5; l.IDLE_SECONDS = 30"
    good = f"GET {DIRECTORY_PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with running("issuer", *options, folder=tmp_path, patch=patch) as role:
        for talk in ((), (b"GET / HT",), (good, good, b"GET ")):
            with socket.create_connection(role.address, timeout=SECONDS) as client:
                before = time.monotonic()
                for part in talk:
                    client.sendall(part)
                answers = received(client)
                took = time.monotonic() - before
            assert answers.count(b"HTTP/1.1 200 OK") == talk.count(good)
            assert 0.4 < took < 10


def test_beyond_the_most_connections_one_more_is_closed_and_the_others_are_served(
    path_keys: PathKeys, tmp_path: Path
) -> None:
    options = path_keys.issuer_options(tmp_path / "issued.sqlite")
    patch = "import pipeline.role.life as l; l.MAX_CONNECTIONS = 2"
    asked = f"GET {DIRECTORY_PATH} HTTP/1.1\r\nHost: x\r\n{CLOSE}\r\n".encode()
    with (
        running("issuer", *options, folder=tmp_path, patch=patch) as role,
        socket.create_connection(role.address, timeout=SECONDS) as first,
        socket.create_connection(role.address, timeout=SECONDS) as second,
    ):
        with socket.create_connection(role.address, timeout=SECONDS) as third:
            assert received(third) == b""
        for client in (first, second):
            client.sendall(asked)
            assert received(client).startswith(b"HTTP/1.1 200 OK\r\n")
        assert role.send(asked).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_bug_is_counted_and_says_nothing(path_keys: PathKeys, tmp_path: Path) -> None:
    options = path_keys.issuer_options(tmp_path / "issued.sqlite")
    patch = (
        "import pipeline.issuer.issuing as i\n"
        "def broken(key, message, factor): raise ZeroDivisionError('canary')\n"
        "i.blind_sign = broken"
    )
    body = bytes((0, 2, path_keys.token.truncated_key_id)) + bytes(256)
    fields = {
        "Content-Type": REQUEST_MEDIA_TYPE,
        "Authorization": f"Bearer {path_keys.bearer}",
    }
    with running("issuer", *options, folder=tmp_path, patch=patch) as role:
        reply = role.ask("POST", TARGET, body, fields)
        assert (reply.status, reply.body) == (500, b"15\r\nInternal Server Error\r\n0\r\n\r\n")
        assert role.stop()["failures"] == 1
    log = role.log.read_text("ascii")
    assert '"failure": "ZeroDivisionError"' in log
    assert "pipeline.issuer.issuing:" in log
    assert "canary" not in log
