"""The bounds of a connection, and its end."""

from __future__ import annotations

import gc
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import datetime
from urllib.parse import urlsplit

import pytest

from log_server import protocol, server
from log_server.log_folder import OpenLog
from tests.log_server.conftest import Serve

POST = b"POST /add HTTP/1.1\r\nHost: x\r\n"
GET = b"GET /checkpoint HTTP/1.1\r\nHost: x\r\n\r\n"
Address = tuple[str, int]


@pytest.fixture
def address(
    open_test_log: OpenLog, serving: Serve, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Address]:
    monkeypatch.setattr(server, "_TICK_SECONDS", 0.02)
    with serving(open_test_log) as url:
        parts = urlsplit(url)
        yield str(parts.hostname), parts.port or 0


def _all(connection: socket.socket) -> bytes:
    received = b""
    while part := connection.recv(2**16):
        received += part
    return received


def _problem(answer: bytes) -> tuple[bytes, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Connection: close" in head
    return head[9:12], json.loads(body)["field"]


def test_a_silent_connection_is_closed(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "IDLE_SECONDS", 0.1)
    with socket.create_connection(address, timeout=10) as connection:
        assert _all(connection) == b""
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(GET)
        assert _all(connection).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("start", [b"GET /che", POST, POST + b"Content-Length: 9\r\n\r\nhalf"])
def test_a_request_that_never_ends(
    address: Address, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.1)
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(start)
        assert _problem(_all(connection)) == (b"408", "request")


def test_one_byte_after_the_other_does_not_keep_it_open(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.2)
    received = b""
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(b"GET /")
        connection.settimeout(0.02)
        for _ in range(100):
            connection.sendall(b"a")
            with suppress(TimeoutError):
                received += connection.recv(2**16)
            if received:
                break
    assert _problem(received) == (b"408", "request")


def test_too_many_connections(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 3)
    with ExitStack() as stack:
        for _ in range(3):
            connection = stack.enter_context(socket.create_connection(address, timeout=10))
            connection.sendall(GET)
            assert connection.recv(2**16).startswith(b"HTTP/1.1 200 OK")
        with socket.create_connection(address, timeout=10) as one_more:
            assert _problem(_all(one_more)) == (b"503", "connections")
        connection.sendall(GET)
        assert connection.recv(2**16).startswith(b"HTTP/1.1 200 OK")


def test_bodies_of_all_connections_together_are_bounded(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MAX_HELD", 100_000)
    part = POST + b"Content-Length: 60000\r\n\r\n" + bytes(59_999)
    with ExitStack() as stack:
        first = stack.enter_context(socket.create_connection(address, timeout=10))
        first.sendall(part)
        time.sleep(0.1)
        second = stack.enter_context(socket.create_connection(address, timeout=10))
        second.sendall(part)
        assert _problem(_all(second)) == (b"503", "request bodies")
        first.sendall(b"x")
        assert first.recv(2**16).startswith(b"HTTP/1.1 200 OK")
    # What was held is free again.
    for _ in range(3):
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(part + b"x")
            assert connection.recv(2**16).startswith(b"HTTP/1.1 200 OK")


def test_many_requests_in_a_row_of_a_client_that_reads_late(address: Address) -> None:
    count = 3000
    with (
        socket.create_connection(address, timeout=10) as connection,
        ThreadPoolExecutor(1) as other,
    ):
        sending = other.submit(connection.sendall, GET * count)
        time.sleep(0.3)
        received = b""
        while received.count(b"HTTP/1.1 200 OK") < count:
            received += connection.recv(2**16)
        sending.result()


def test_answers_that_nobody_reads_are_bounded(
    open_test_log: OpenLog, serving: Serve, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MAX_OWED", 2**20)
    open_test_log.sequencer.commit([b"%d" % n + bytes(60_000) for n in range(256)], now=now)
    large = b"GET /tile/entries/000 HTTP/1.1\r\nHost: x\r\n\r\n"
    with serving(open_test_log) as url:
        parts = urlsplit(url)
        where = (str(parts.hostname), parts.port or 0)

        def ask(request: bytes) -> bytes:
            with socket.create_connection(where, timeout=10) as connection:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                return _all(connection)

        with socket.create_connection(where, timeout=10) as deaf:
            deaf.sendall(large)
            assert deaf.recv(9) == b"HTTP/1.1 "
            time.sleep(0.2)
            head, _, body = ask(large).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nRetry-After: 1\r\n" in head
            problem = json.loads(body)
            assert problem["field"] == "unread answers"
            assert problem["expected"] == "at most 1048576 bytes at a time"
            # What is small is answered all the same.
            assert ask(GET).startswith(b"HTTP/1.1 200 ")
        end = time.monotonic() + 10
        while not (answer := ask(large)).startswith(b"HTTP/1.1 200 "):
            assert time.monotonic() < end
        assert len(answer) > 256 * 60_000


def test_a_closed_connection_holds_no_memory(address: Address) -> None:
    def connections() -> int:
        return sum(isinstance(one, protocol.HttpProtocol) for one in gc.get_objects())

    before = connections()
    gc.disable()  # nothing may wait for it
    try:
        for _ in range(20):
            with socket.create_connection(address, timeout=10) as connection:
                connection.sendall(GET)
                assert connection.recv(2**16).startswith(b"HTTP/1.1 200 OK")
        end = time.monotonic() + 10
        while connections() > before:
            assert time.monotonic() < end
            time.sleep(0.05)
    finally:
        gc.enable()


def test_a_request_that_is_cut_short(address: Address) -> None:
    for start in (b"GET /che", POST, POST + b"Content-Length: 9\r\n\r\nhalf"):
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(start)
            connection.shutdown(socket.SHUT_WR)
            assert _problem(_all(connection)) == (b"400", "request")


def test_stopping_answers_what_waits(open_test_log: OpenLog, serving: Serve) -> None:
    with ExitStack() as stack:
        with serving(open_test_log) as url:
            parts = urlsplit(url)
            where = (str(parts.hostname), parts.port or 0)
            idle = stack.enter_context(socket.create_connection(where, timeout=10))
            idle.sendall(GET)
            assert idle.recv(2**16).startswith(b"HTTP/1.1 200 OK")
            begun = stack.enter_context(socket.create_connection(where, timeout=10))
            begun.sendall(b"GET /che")
            started = time.monotonic()
        assert time.monotonic() - started < 4
        assert _all(idle) == b""
