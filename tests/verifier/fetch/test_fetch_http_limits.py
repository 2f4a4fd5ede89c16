"""Servers that drip, and answers that explode: how long and how much, at the most."""

from __future__ import annotations

import contextlib
import gzip
import socket
import time
from collections.abc import Callable

import pytest

from tests.pipeline.roles import listening
from verifier.errors import FetchError
from verifier.fetch import http as http_module
from verifier.fetch.http import fetch_bytes, fetch_start

HEAD = b"HTTP/1.1 200 X\r\n"
BODY = HEAD + b"Content-Length: 1000\r\n\r\n"


def dripping(begin: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    def drip(peer: socket.socket) -> None:
        peer.recv(65_536)
        peer.sendall(begin)
        with contextlib.suppress(OSError):
            for _ in range(40):
                peer.sendall(drop)
                time.sleep(0.05)

    return drip


@pytest.mark.parametrize(
    ("fetch", "begin", "drop"),
    [
        (fetch_bytes, HEAD + b"X: ", b"y"),
        (fetch_bytes, HEAD, b"X: y\r\n"),
        (fetch_bytes, BODY, b"."),
        (fetch_bytes, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n.\r\n"),
        (fetch_start, HEAD + b"\r\n", b"."),
    ],
)
def test_a_server_that_drips_is_not_waited_for(
    fetch: Callable[..., bytes], begin: bytes, drop: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes in time, and all of them never do."""
    monkeypatch.setattr(http_module, "DEFAULT_TIMEOUT", 0.5)
    with listening(dripping(begin, drop)) as server:
        url = "http://{}:{}/".format(*server.address)
        began = time.monotonic()
        with pytest.raises(FetchError) as caught:
            fetch(url, limit=1000)
        assert time.monotonic() - began < 2
    error = caught.value
    assert (error.what, error.expected) == (url, "an answer")
    assert error.got == "not all of it within 1.06 s"


def encoded(content: bytes, encoding: str) -> Callable[[socket.socket], None]:
    def answer(peer: socket.socket) -> None:
        peer.recv(65_536)
        fields = f"Content-Length: {len(content)}\r\nContent-Encoding: {encoding}\r\n\r\n"
        peer.sendall(HEAD + fields.encode() + content)

    return answer


def test_what_is_compressed_is_measured_when_it_is_not() -> None:
    with listening(encoded(gzip.compress(bytes(10_000_000)), "gzip")) as server:
        url = "http://{}:{}/".format(*server.address)
        assert fetch_start(url, limit=1000) == bytes(1000)
        with pytest.raises(FetchError) as caught:
            fetch_bytes(url, limit=1000)
        assert (caught.value.expected, caught.value.got) == ("at most 1000 bytes", "more")


@pytest.mark.parametrize("encoding", ["gzip, gzip", "deflate", "br"])
def test_another_encoding_is_refused(encoding: str) -> None:
    content = gzip.compress(gzip.compress(b"x"))
    with listening(encoded(content, encoding)) as server:
        url = "http://{}:{}/".format(*server.address)
        with pytest.raises(FetchError) as caught:
            fetch_bytes(url, limit=1000)
    error = caught.value
    assert (error.what, error.expected) == (url, "gzip at most")
    assert error.got == f"Content-Encoding: '{encoding}'"


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".test"])
def test_a_name_that_no_host_has(host: str) -> None:
    with pytest.raises(FetchError) as caught:
        fetch_bytes(f"http://{host}/", limit=9)
    assert (caught.value.what, caught.value.got) == (f"http://{host}/", "not the name of a host")
