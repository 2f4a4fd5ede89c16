from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import urllib3

from log_server.errors import MissingError, OversizedError
from log_server.source import DirectorySource, HttpSource, open_source
from verifier.errors import FetchError


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        body = gzip.compress(bytes(5000)) if name == "gzip" else b"0123456789"
        status = {"302": 302, "404": 404, "410": 410, "500": 500}.get(name, 200)
        self.send_response(status)
        if name == "gzip":
            self.send_header("Content-Encoding", "gzip")
        if status == 302:
            self.send_header("Location", "/ten")
        self.send_header("Content-Length", str(len(body) + (5 if name == "short" else 0)))
        if name == "short":
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def source() -> Iterator[HttpSource]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with closing(HttpSource(f"http://127.0.0.1:{server.server_port}/log/")) as opened:
            yield opened
        server.shutdown()
        thread.join()


def test_fetch(source: HttpSource) -> None:
    assert source.fetch("ten", limit=10) == b"0123456789"
    assert source.fetch("gzip", limit=5000) == bytes(5000)
    assert source.partial_widths("ten") == ()


def test_read_ahead_gives_every_path_its_own_bytes(source: HttpSource) -> None:
    paths = [("ten" if number % 3 else "gzip", 5000) for number in range(100)]
    source.expect(iter(paths))
    for path, limit in paths:
        assert len(source.fetch(path, limit=limit)) == (10 if path == "ten" else 5000)
    assert source.fetch("ten", limit=10) == b"0123456789"


@pytest.mark.parametrize(("path", "limit"), [("ten", 9), ("gzip", 4999)])
def test_more_bytes_than_allowed(source: HttpSource, path: str, limit: int) -> None:
    with pytest.raises(OversizedError) as caught:
        source.fetch(path, limit=limit)
    assert (caught.value.what, caught.value.expected) == (path, f"at most {limit} bytes")


@pytest.mark.parametrize("path", ["404", "410"])
def test_missing(source: HttpSource, path: str) -> None:
    with pytest.raises(MissingError) as caught:
        source.fetch(path, limit=10)
    assert (caught.value.what, caught.value.got) == (path, path)


@pytest.mark.parametrize("path", ["302", "500"])
def test_other_answers(source: HttpSource, path: str) -> None:
    with pytest.raises(FetchError) as caught:
        source.fetch(path, limit=10)
    assert (caught.value.expected, caught.value.got) == ("200", path)


def test_a_body_that_is_cut_short(source: HttpSource) -> None:
    with pytest.raises(FetchError) as caught:
        source.fetch("short", limit=100)
    assert caught.value.expected == "an answer"


def test_nobody_answers() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with closing(HttpSource(url)) as source, pytest.raises(FetchError) as caught:
            source.fetch("checkpoint", limit=10)
    assert caught.value.what == f"{url}/checkpoint"
    assert caught.value.got == "NewConnectionError"


def test_directory(tmp_path: Path) -> None:
    (tmp_path / "tile.p").mkdir()
    for name in ("tile", "tile.p/7", "tile.p/200", "tile.p/x"):
        (tmp_path / name).write_bytes(b"0123456789")
    source = DirectorySource(tmp_path)
    assert source.fetch("tile", limit=10) == b"0123456789"
    assert source.partial_widths("tile") == (7, 200)
    assert source.partial_widths("other") == ()
    with pytest.raises(OversizedError):
        source.fetch("tile", limit=9)
    with pytest.raises(MissingError) as caught:
        source.fetch("other", limit=9)
    assert (caught.value.what, caught.value.got) == ("other", "none")
    with pytest.raises(FetchError) as refused:
        source.fetch("tile.p", limit=9)
    assert refused.value.got == "Is a directory"


def test_where_a_log_is(tmp_path: Path, log_root: Path) -> None:
    for folder in (log_root, log_root / "public"):
        assert open_source(str(folder)).fetch("checkpoint", limit=999).startswith(b"log.test/one")
    with closing(open_source("http://127.0.0.1:1")) as source:
        assert isinstance(source, HttpSource)
    with pytest.raises(FetchError) as caught:
        open_source(str(tmp_path / "nowhere"))
    assert (caught.value.expected, caught.value.got) == ("a URL or a directory", "neither")


def test_a_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.server_port}")
        monkeypatch.setenv("no_proxy", "other.invalid")
        with closing(HttpSource("http://log.invalid/log")) as source:
            assert source.fetch("ten", limit=10) == b"0123456789"
        monkeypatch.setenv("no_proxy", "log.invalid")
        with closing(HttpSource("http://log.invalid/log")) as direct:
            assert type(direct._pool) is urllib3.PoolManager
        proxy.shutdown()
        thread.join()
