"""Mutated requests over all routes against a running server.

``CVM_FUZZ_REQUESTS`` sets how many (5,000 if unset), ``CVM_FUZZ_SEED`` which ones. With ``-s`` the
figures are shown.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from verifier.tlog.note import VerificationKey

REPOSITORY = Path(__file__).resolve().parents[2]
REQUESTS = int(os.environ.get("CVM_FUZZ_REQUESTS", "5000"))
SEED = int(os.environ.get("CVM_FUZZ_SEED", "20260102"))
AT_A_TIME = 50
GROWTH = 32 * 2**20

_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) [A-Z]")
_PATHS = (
    "/checkpoint",
    "/tile/0/000",
    "/tile/0/000.p/1",
    "/tile/1/x001/000",
    "/tile/entries/000.p/3",
    "/add",
    "/add?wait=published",
    "/v1/batch",
    "/v1/entries",
    "/v1/entries?wait=sequenced",
    "/health",
    "/openapi.json",
    "/metrics",
    "/",
    "*",
    "http://log.test/checkpoint",
    "/../log.key",
    "/%2e%2e/log.key",
)
_METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "CONNECT", "TRACE", "get")
_HEADERS = (
    "Accept-Encoding: gzip",
    "Accept-Encoding: gzip;q=0,*;q=x,,;",
    "Content-Type: application/json",
    "Content-Type: application/octet-stream",
    "Content-Type: ;;;",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Content-Length: 5",
    "Content-Length: 0",
    "Content-Length: 070",
    "Content-Length: -1",
    "Content-Length: 99999999",
    "Content-Length: 999999999999999999999",
    "Connection: close",
    "Connection: upgrade\r\nUpgrade: h2c",
    "Expect: 100-continue",
    "Host: y",
    "Range: bytes=0-1",
    "X: " + "a" * 40_000,
    "If-None-Match: *",
)
_TEXTS = (
    b"\r\n",
    b"\n",
    b"\x00",
    b"\xff",
    b" ",
    b"%",
    b"\t",
    b":",
    b"0\r\n\r\n",
    b"\r\n\r\n",
    b"/",
)


def _body(chance: random.Random) -> bytes:
    kind = chance.randrange(6)
    if kind == 0:
        return b""
    if kind == 1:
        return chance.randbytes(chance.choice((1, 5, 300)))
    if kind == 2:
        return json.dumps({"payloadType": "x", "payload": "eA==", "signatures": []}).encode()
    if kind == 3:
        return b"[" * chance.randrange(1, 5000)
    if kind == 4:
        entries = [chance.randbytes(chance.randrange(1, 40)) for _ in range(chance.randrange(20))]
        return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
    return chance.choice((bytes(65_535), bytes(65_536), chance.randbytes(100_000)))


def _request(chance: random.Random) -> bytes:
    body = _body(chance)
    method = chance.choice(("GET", "POST", "POST", chance.choice(_METHODS)))
    lines = [f"{method} {chance.choice(_PATHS)} HTTP/1.1", "Host: x"]
    if chance.random() < 0.7 and method != "GET":
        lines.append(f"Content-Length: {len(body)}")
    lines.extend(chance.sample(_HEADERS, chance.choice((0, 0, 1, 2))))
    head = "".join(f"{line}\r\n" for line in lines) + "\r\n"
    return head.encode("latin-1") + (body if method != "GET" else b"")


def _mutated(request: bytes, chance: random.Random) -> bytes:
    changed = bytearray(request)
    for _ in range(chance.choice((0, 0, 1, 1, 2, 8))):
        # Most of it in the head: there is more to get wrong.
        end = len(changed) if chance.random() < 0.3 else min(len(changed), 120)
        at = chance.randrange(end + 1)
        what = chance.randrange(6)
        if what == 0 and at < len(changed):
            changed[at] ^= 1 << chance.randrange(8)
        elif what == 1:
            changed[at:at] = chance.choice(_TEXTS)
        elif what == 2:
            del changed[at : at + chance.randrange(1, 9)]
        elif what == 3:
            del changed[at:]
        elif what == 4:
            changed[at:at] = changed[max(0, at - chance.randrange(1, 30)) : at]
        else:
            changed[at : at + 1] = chance.randbytes(1)
    return bytes(changed)


@contextmanager
def _served(root: Path) -> Iterator[tuple[tuple[str, int], int]]:
    with subprocess.Popen(
        [sys.executable, "-m", "log_server.cli", "serve", str(root), "--listen", "127.0.0.1:0"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        parts = urlsplit(process.stdout.readline().removeprefix("listening on ").strip())
        try:
            yield (str(parts.hostname), parts.port or 0), process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
            said = process.stderr.read()
            assert "Traceback" not in said, said


def _exchange(address: tuple[str, int], sent: list[bytes]) -> list[bytes]:
    connections = [socket.create_connection(address, timeout=20) for _ in sent]
    for connection, request in zip(connections, sent, strict=True):
        with suppress(OSError):  # it may have answered and closed; what it said is read below
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
    return [_received(connection) for connection in connections]


def _received(connection: socket.socket) -> bytes:
    received = b""
    with connection, suppress(ConnectionResetError):
        while part := connection.recv(2**16):  # a time-out here is a hang, and fails
            received += part
    return received


def _resident(process: int) -> int:
    pages = Path(f"/proc/{process}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _require_problem(answer: bytes) -> None:
    # One answer that is a refusal, and has a body (that to HEAD has none).
    head, _, body = answer.partition(b"\r\n\r\n")
    if body:
        assert b"Content-Type: application/problem+json" in head, answer[:500]
        problem = json.loads(body)
        assert {"status", "title", "detail", "field", "expected", "got"} <= set(problem)


@pytest.mark.slow
def test_nothing_that_is_sent_harms(log_root: Path, log_key: VerificationKey) -> None:
    chance = random.Random(SEED)
    statuses: Counter[int] = Counter()
    silent = 0
    settled = 0
    start = time.monotonic()
    with _served(log_root) as (address, process):
        for number in range(0, REQUESTS, AT_A_TIME):
            sent = [_mutated(_request(chance), chance) for _ in range(AT_A_TIME)]
            for request, answer in zip(sent, _exchange(address, sent), strict=True):
                found = [int(status) for status in _STATUS.findall(answer)]
                assert all(status < 500 for status in found), (request[:500], answer[:500])
                if len(found) == 1 and found[0] >= 400:
                    _require_problem(answer)
                statuses.update(found)
                silent += not found
            if number <= REQUESTS // 5:
                settled = _resident(process)
        grown = _resident(process) - settled
        health = requests.get(f"http://{address[0]}:{address[1]}/health", timeout=10)
        size = health.json()["size"]
        seconds = time.monotonic() - start
    sys.stdout.write(
        f"{REQUESTS} requests, seed {SEED}, {seconds:.0f} s: {dict(sorted(statuses.items()))}; "
        f"{silent} unanswered; {size} entries; "
        f"{settled >> 20} MiB resident, grown by {grown >> 10} KiB\n"
    )
    assert health.status_code == 200
    assert {200, 204, 400, 404, 405, 413} <= set(statuses)
    assert silent < REQUESTS / 50
    assert grown < GROWTH
    done = subprocess.run(
        [sys.executable, "-m", "log_server.cli", "fsck", str(log_root), "--vkey", str(log_key)],
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
