from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from urllib.parse import urlsplit

import pytest
import requests

from log_server.log_folder import OpenLog
from log_server.source import HttpSource
from tests.log_server.conftest import Serve
from tests.log_server.examining import require_sound
from verifier.errors import ParseError, UnsupportedError
from verifier.tlog.checkpoint import open_checkpoint
from verifier.tlog.merkle import leaf_hash, verify_inclusion
from verifier.tlog.proof import parse_tlog_proof

POST = b"POST /add HTTP/1.1\r\nHost: x\r\n"
IMMUTABLE = "public, max-age=31536000, immutable"


def parse_test_entry(raw: bytes) -> bytes:
    if not raw.startswith(b"{"):
        raise ParseError("entry.kind", expected="a typed entry", got="another text")
    if b"v9" in raw:
        raise UnsupportedError("predicate type", expected="v1", got="v9")
    return raw


@pytest.fixture
def url(open_test_log: OpenLog, serving: Serve) -> Iterator[str]:
    with serving(open_test_log, parse_entry=parse_test_entry) as address:
        yield address


def _problem(response: requests.Response, status: int) -> dict[str, object]:
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert "Cache-Control" not in response.headers
    problem: dict[str, object] = response.json()
    assert problem["status"] == status
    assert set(problem) == {"type", "title", "status", "detail", "field", "expected", "got"}
    return problem


def test_checkpoint(url: str, open_test_log: OpenLog) -> None:
    response = requests.get(f"{url}/checkpoint", timeout=10)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert open_checkpoint(response.content, keys=open_test_log.keys).tree.size == 0


def test_tiles_and_bundles(url: str, open_test_log: OpenLog, now: datetime) -> None:
    entries = [b"entry-%d" % number for number in range(300)]
    open_test_log.sequencer.commit(entries, now=now)
    for path, content in {
        "tile/0/000": b"".join(map(leaf_hash, entries[:256])),
        "tile/0/001.p/44": b"".join(map(leaf_hash, entries[256:])),
        "tile/entries/001.p/44": b"".join(
            len(entry).to_bytes(2, "big") + entry for entry in entries[256:]
        ),
    }.items():
        response = requests.get(
            f"{url}/{path}", headers={"Accept-Encoding": "identity"}, timeout=10
        )
        assert response.content == content
        assert response.headers["Content-Type"] == "application/octet-stream"
        assert "Content-Encoding" not in response.headers
        assert response.headers["Cache-Control"] == IMMUTABLE
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert int(response.headers["Content-Length"]) == len(content)
        assert requests.head(f"{url}/{path}", timeout=10).headers["Cache-Control"] == IMMUTABLE


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/000",  # well formed, not there
        "tile/0/000.p/4",
        "tile/entries/000",
        "tile/63/000",
        "tile/64/000",
        "tile/00/000",
        "tile/0/0",
        "tile/0/x000/000",
        "tile/0/001/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/03",
        "tile/0/000.p",
        "tile/0/",
        "tile/-1/000",
        "tile/entries/../../../log.key",
        "tile/%2e%2e/%2e%2e/log.key",
        "tile/0/000.p/3%00",
        "tile/data/000",
        "tile/",
        "log.key",
        "../log.key",
        "",
        "checkpoint/",
    ],
)
def test_what_is_not_there(url: str, open_test_log: OpenLog, now: datetime, path: str) -> None:
    open_test_log.sequencer.commit([b"one", b"two", b"three"], now=now)
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.request("GET", f"/{path}")  # requests would tidy the path up
    response = connection.getresponse()
    body = response.read()
    connection.close()
    assert response.status in {404, 307}
    assert response.getheader("Cache-Control") is None
    assert b"PRIVATE" not in body


def test_a_missing_tile_is_a_problem(url: str) -> None:
    problem = _problem(requests.get(f"{url}/tile/0/000", timeout=10), 404)
    assert (problem["expected"], problem["got"]) == ("a published resource", "'tile/0/000'")
    problem = _problem(requests.get(f"{url}/tile/0/7", timeout=10), 404)
    assert (problem["field"], problem["got"]) == ("tile path", "'tile/0/7'")
    problem = _problem(requests.get(f"{url}/nothing", timeout=10), 404)
    assert problem["got"] == "/nothing"


def _add(url: str, entry: bytes) -> requests.Response:
    return requests.post(f"{url}/add", data=entry, timeout=10)


def test_add(url: str, open_test_log: OpenLog) -> None:
    answers = [_add(url, entry) for entry in (b"one", b"two", b"one", bytes(65_535), b"\x00")]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert [answer.text for answer in answers] == ["0", "1", "0", "2", "3"]
    # Acknowledged means published: the checkpoint covers all of them.
    raw = requests.get(f"{url}/checkpoint", timeout=10).content
    assert open_checkpoint(raw, keys=open_test_log.keys).tree.size == 4


def test_many_clients_at_once(url: str, open_test_log: OpenLog) -> None:
    entries = [b"entry-%d" % (number % 200) for number in range(400)]
    with ThreadPoolExecutor(16) as clients:
        indices = [int(answer.text) for answer in clients.map(lambda e: _add(url, e), entries)]
    assert sorted(set(indices)) == list(range(200))
    assert indices[:200] == indices[200:]
    with closing(HttpSource(url)) as source:
        assert require_sound(source, open_test_log.keys[0]).size == 200


def test_an_empty_entry(url: str) -> None:
    problem = _problem(_add(url, b""), 400)
    assert (problem["field"], problem["got"]) == ("entry", "0 bytes")
    assert problem["expected"] == "1 to 65535 bytes"


@pytest.mark.parametrize("size", [65_536, 1_000_000])
def test_an_entry_that_is_too_large(url: str, size: int) -> None:
    problem = _problem(_add(url, bytes(size)), 413)
    assert (problem["field"], problem["expected"]) == ("entry", "1 to 65535 bytes")
    assert problem["got"] == f"{size} bytes"


def test_a_stream_without_length_is_cut_off(url: str, open_test_log: OpenLog) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(9):
            yield bytes(8192)

    response = requests.post(f"{url}/add", data=endless(), timeout=10)
    problem = _problem(response, 413)
    assert problem["field"] == "entry"
    assert open_test_log.sequencer.head.tree.size == 0


def test_a_client_that_goes_away_in_the_middle(url: str, open_test_log: OpenLog) -> None:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(b"POST /add HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
    assert _add(url, b"whole").text == "0"
    assert open_test_log.sequencer.head.tree.size == 1


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "checkpoint", {"GET", "HEAD", "OPTIONS"}),
        ("PUT", "tile/0/000", {"GET", "HEAD", "OPTIONS"}),
        ("GET", "add", {"OPTIONS", "POST"}),
        ("DELETE", "v1/entries", {"OPTIONS", "POST"}),
    ],
)
def test_wrong_method(url: str, method: str, path: str, allowed: set[str]) -> None:
    response = requests.request(method, f"{url}/{path}", timeout=10)
    problem = _problem(response, 405)
    assert (problem["field"], problem["got"]) == ("method", method)
    assert {name.strip() for name in response.headers["Allow"].split(",")} == allowed


def _add_typed(
    url: str, entry: bytes, media_type: str | None = "application/json"
) -> requests.Response:
    headers = {} if media_type is None else {"Content-Type": media_type}
    return requests.post(f"{url}/v1/entries", data=entry, headers=headers, timeout=10)


def test_a_typed_entry_gets_its_proof(url: str, open_test_log: OpenLog, now: datetime) -> None:
    open_test_log.sequencer.commit([b"%d" % number for number in range(700)], now=now)
    entry = b'{"kind": "v1"}'
    for _ in range(2):
        response = _add_typed(url, entry)
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "application/json"
        answer = response.json()
        assert set(answer) == {"index", "proof"}
        proof = parse_tlog_proof(answer["proof"].encode())
        assert (answer["index"], proof.index) == (700, 700)
        opened = open_checkpoint(proof.checkpoint_raw, keys=open_test_log.keys)
        verify_inclusion(leaf=leaf_hash(entry), index=700, proof=proof.hashes, tree=opened.tree)


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/vnd.dsse.envelope.v1+json",
    ],
)
def test_media_types_of_an_entry(url: str, media_type: str) -> None:
    assert _add_typed(url, b"{}", media_type).json()["index"] == 0


@pytest.mark.parametrize(
    ("media_type", "got"), [("text/plain", "'text/plain'"), (None, "none"), ("x", "'x'")]
)
def test_wrong_media_type(url: str, media_type: str | None, got: str) -> None:
    problem = _problem(_add_typed(url, b"{}", media_type), 415)
    assert (problem["field"], problem["got"]) == ("Content-Type", got)


def test_an_entry_that_the_judge_could_not_read(url: str, open_test_log: OpenLog) -> None:
    problem = _problem(_add_typed(url, b"raw"), 400)
    assert (problem["field"], problem["expected"]) == ("entry.kind", "a typed entry")
    problem = _problem(_add_typed(url, b'{"kind": "v9"}'), 422)
    assert (problem["field"], problem["expected"], problem["got"]) == ("predicate type", "v1", "v9")
    assert _problem(_add_typed(url, bytes(65_536)), 413)["field"] == "entry"
    assert _problem(_add_typed(url, b""), 400)["got"] == "0 bytes"
    assert open_test_log.sequencer.head.tree.size == 0


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("identity", False),
        ("br", False),
        ("", False),
    ],
)
def test_bundles_are_compressed_for_who_takes_it(
    url: str, open_test_log: OpenLog, now: datetime, accepted: str, compressed: bool
) -> None:
    entries = [b"entry-%d" % number for number in range(300)]
    open_test_log.sequencer.commit(entries, now=now)
    for path, part in (("000", entries[:256]), ("001.p/44", entries[256:])):
        for _ in range(2):
            response = requests.get(
                f"{url}/tile/entries/{path}", headers={"Accept-Encoding": accepted}, timeout=10
            )
            assert response.content == b"".join(len(e).to_bytes(2, "big") + e for e in part)
            assert response.headers.get("Content-Encoding") == ("gzip" if compressed else None)
            assert response.headers["Vary"] == "Accept-Encoding"
            assert response.headers["Cache-Control"] == IMMUTABLE


def test_a_large_bundle_is_compressed_too(url: str, open_test_log: OpenLog, now: datetime) -> None:
    entries = [b"%d" % number + bytes(9000) for number in range(256)]
    open_test_log.sequencer.commit(entries, now=now)
    response = requests.get(f"{url}/tile/entries/000", timeout=10)
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.content == b"".join(len(e).to_bytes(2, "big") + e for e in entries)


def test_tiles_are_hashes_and_not_compressed(
    url: str, open_test_log: OpenLog, now: datetime
) -> None:
    open_test_log.sequencer.commit([b"one"], now=now)
    response = requests.get(f"{url}/tile/0/000.p/1", timeout=10)
    assert response.content == leaf_hash(b"one")
    assert not {"Content-Encoding", "Vary"} & set(response.headers)


@pytest.mark.parametrize("path", ["checkpoint", "tile/0/000", "add", "v1/entries", "health"])
def test_any_page_may_ask(url: str, path: str) -> None:
    response = requests.options(f"{url}/{path}", timeout=10)
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Access-Control-Allow-Methods"] == response.headers["Allow"]
    assert response.headers["Access-Control-Allow-Headers"] == "Content-Type"
    assert "Content-Length" not in response.headers


def test_head_is_get_without_content(url: str) -> None:
    got = requests.get(f"{url}/checkpoint", timeout=10)
    head = requests.head(f"{url}/checkpoint", timeout=10)
    assert head.content == b""
    for name in ("Content-Length", "Content-Type", "Cache-Control"):
        assert head.headers[name] == got.headers[name]
    missing = requests.head(f"{url}/tile/0/000", timeout=10)
    assert (missing.status_code, missing.content) == (404, b"")


def test_waiting_for_less_gets_no_less(url: str) -> None:
    for number, wait in enumerate(("sequenced", "published")):
        answer = requests.post(f"{url}/add?wait={wait}", data=wait, timeout=10)
        assert answer.text == str(number)


@pytest.mark.parametrize(
    ("query", "field", "expected", "got"),
    [
        ("wait=never", "wait", "sequenced or published", "'never'"),
        ("wait", "wait", "sequenced or published", "''"),
        ("wait=published&wait=published", "query parameter", "once each: wait", "'wait'"),
        ("x=1", "query parameter", "once each: wait", "'x'"),
    ],
)
def test_a_wrong_query(url: str, query: str, field: str, expected: str, got: str) -> None:
    problem = _problem(requests.post(f"{url}/add?{query}", data=b"x", timeout=10), 400)
    assert (problem["field"], problem["expected"], problem["got"]) == (field, expected, got)
    assert requests.get(f"{url}/checkpoint?{query}", timeout=10).status_code == 200


def _raw(url: str, request: bytes) -> bytes:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(2**16):
            received += part
    return received


@pytest.mark.parametrize(
    ("request_bytes", "status", "field"),
    [
        (b"nonsense\r\n\r\n", 400, "request"),
        (b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "request"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "Host"),
        (b"GET /checkpoint HTTP/0.9\r\n\r\n", 400, "HTTP version"),
        (b"GET /checkpoint\r\n\r\n", 400, "HTTP version"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431, "headers"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 2_000_000, 431, "headers"),
        (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n", 431, "headers"),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n", 404, "path"),
        (POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "request"),
        (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "request"),
        (POST + b"Content-Length: 007\r\n\r\n", 400, "Content-Length"),
        (POST + b"Content-Length: 99999999999999999999999\r\n\r\n", 400, "request"),
        (POST + b"Content-Length: 65536\r\n\r\n", 413, "entry"),
        (b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", 413, "body"),
    ],
)
def test_what_is_not_http(url: str, request_bytes: bytes, status: int, field: str) -> None:
    head, _, body = _raw(url, request_bytes).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close" in head or status == 404
    assert json.loads(body)["field"] == field


def test_requests_in_a_row_are_answered_in_order(url: str) -> None:
    post = b"POST /add HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n%d"
    requests_in_a_row = b"".join(post % number for number in range(10))
    received = _raw(url, requests_in_a_row + b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
    answers = received.split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200"] * 10 + [b"404"]
    assert [answer.rpartition(b"\r\n")[2] for answer in answers[:10]] == [
        b"%d" % number for number in range(10)
    ]


def test_other_forms_of_a_request(url: str) -> None:
    absolute = b"GET http://log.test/checkpoint?x HTTP/1.1\r\nHost: x\r\n\r\n"
    assert _raw(url, absolute).startswith(b"HTTP/1.1 200 ")
    old = b"GET /checkpoint HTTP/1.0\r\n\r\n"
    assert b"Connection: close" in _raw(url, old)
    upgrade = b"GET /checkpoint HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    assert _raw(url, upgrade).startswith(b"HTTP/1.1 200 ")
    patient = POST + b"Content-Length: 1\r\nExpect: 100-continue\r\n\r\nx"
    assert _raw(url, patient).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    chunks = POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\ny\r\n1\r\nz\r\n0\r\nX: y\r\n\r\n"
    assert _raw(url, chunks).endswith(b"\r\n1")
