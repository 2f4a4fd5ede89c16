"""Fetching against a real server on this machine that answers badly in every way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from verifier.errors import FetchError, ParseError
from verifier.fetch import http as http_module
from verifier.fetch.http import fetch_bytes, fetch_start, post_bytes
from verifier.fetch.log import LogReader, submit_entry
from verifier.fetch.log_files import LogFiles


class Answers(BaseHTTPRequestHandler):
    released = threading.Event()

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        length = self.headers["Content-Length"]
        body = self.rfile.read(int(length))
        if self.path == "/echo":
            self.answer(200, body + self.headers["Content-Type"].encode())
        else:
            self.answer(200, b'{"index": 0, "proof": "p", "extra": 1}')

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.released.wait(5)
        elif self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/fine")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"short")
        elif self.path == "/refused":
            self.answer(404, b"no such \x1b[2Jthing")
        else:
            self.answer(200, b"x" * 10)

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        Answers.released.set()
        server.shutdown()
        thread.join()


def test_the_start_of_an_answer_is_enough(url: str) -> None:
    assert fetch_start(f"{url}/fine", limit=10) == b"x" * 10
    assert fetch_start(f"{url}/fine", limit=4) == b"x" * 4
    with pytest.raises(FetchError) as caught:
        fetch_start(f"{url}/moved", limit=4)
    assert caught.value.got.startswith("status 302")


def test_bytes_come_as_they_are(url: str) -> None:
    assert fetch_bytes(f"{url}/fine", limit=10) == b"x" * 10
    assert post_bytes(f"{url}/echo", b"\0", content_type="a/b", limit=10) == b"\0a/b"


@pytest.mark.parametrize(
    ("path", "expected", "got"),
    [
        ("/refused", "status 200", "status 404: no such \x1b[2Jthing"),
        ("/moved", "status 200", "status 302: "),
        ("/cut", "an answer", "an answer that breaks off"),
    ],
)
def test_what_is_no_answer(url: str, path: str, expected: str, got: str) -> None:
    with pytest.raises(FetchError) as caught:
        fetch_bytes(url + path, limit=100)
    assert caught.value.what == url + path
    assert (caught.value.expected, caught.value.got) == (expected, got)


def test_an_answer_is_cut_off_at_the_limit(url: str) -> None:
    with pytest.raises(FetchError) as caught:
        fetch_bytes(f"{url}/fine", limit=9)
    assert (caught.value.expected, caught.value.got) == ("at most 9 bytes", "more")


def test_a_server_that_is_silent(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "DEFAULT_TIMEOUT", 0.2)
    with pytest.raises(FetchError) as caught:
        fetch_bytes(f"{url}/slow", limit=9)
    assert caught.value.got == "nothing within 0.2 s"


def test_an_address_that_is_none() -> None:
    with pytest.raises(FetchError) as caught:
        fetch_bytes("gopher://x", limit=9)
    assert caught.value.got == "InvalidSchema"


def test_a_log_that_is_none(url: str) -> None:
    with pytest.raises(ParseError, match="note"):
        LogReader(LogFiles(url)).fetch_entry(0)
    with pytest.raises(ParseError, match="no unknown member"):
        submit_entry(url, b"{}")
