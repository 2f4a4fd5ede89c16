"""The witness over HTTP: paths, headers, bounds."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from log_server.errors import StorageError
from log_server.exchange import Answer, Request
from log_server.signer import Ed25519Cosigner
from log_server.witness.app import WitnessApp
from log_server.witness.evidence import EvidenceFile
from log_server.witness.folder import WitnessFolder
from log_server.witness.rate import RateLimit
from log_server.witness.witness import Shelf, Witness
from tests.log_server.witness.witnesses import NOW, ToyLog, make_witness, serving_witness
from verifier.tlog.note import parse_vkey

LOG = ToyLog()
HASH = hashlib.sha256(b"log.test/toy").hexdigest()


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    make_witness(tmp_path / "w", *LOG.keys, ml_dsa=True)
    with serving_witness(tmp_path / "w") as url:
        yield url


def _post(url: str, body: bytes) -> requests.Response:
    return requests.post(f"{url}/add-checkpoint", data=body, timeout=10)


def test_the_read_path(url: str, tmp_path: Path) -> None:
    place = f"{url}/{HASH}/checkpoint"
    missing = requests.get(place, timeout=10)
    assert (missing.status_code, missing.json()["field"]) == (404, "path")
    lines = _post(url, LOG.request(0, 4)).content
    served = requests.get(place, timeout=10)
    assert served.content == LOG.checkpoint(4) + lines
    assert served.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert served.headers["Cache-Control"] == "no-cache"
    assert served.headers["Access-Control-Allow-Origin"] == "*"
    assert served.content == (tmp_path / "w" / "public" / HASH / "checkpoint").read_bytes()
    for other in (f"{HASH.upper()}/checkpoint", f"{HASH}/", HASH, "checkpoint", f"x/../{HASH}"):
        assert requests.get(f"{url}/{other}", timeout=10).status_code == 404


def test_the_metadata(url: str) -> None:
    answer = requests.get(f"{url}/witness.v0.json", timeout=10)
    document = answer.json()
    assert answer.headers["Content-Type"] == "application/json"
    assert (document["name"], document["submission_url"]) == ("wit.test/w", f"{url}/")
    algorithms = [parse_vkey(text).algorithm for text in document["verifier_keys"]]
    assert algorithms == [0x04, 0x06]


def test_methods_and_sizes(url: str) -> None:
    wrong = requests.get(f"{url}/add-checkpoint", timeout=10)
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "POST")
    wrong = requests.delete(f"{url}/{HASH}/checkpoint", timeout=10)
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "GET, HEAD")
    large = _post(url, b"x" * (2**17 + 1))
    assert (large.status_code, large.json()["expected"]) == (413, "at most 131072 bytes")
    fits = _post(url, b"x" * 2**17)
    assert (fits.status_code, fits.json()["field"]) == (400, "request")


def _ask(app: WitnessApp, body: bytes) -> Answer:
    async def ask() -> Answer:
        answer = app.answer(Request("POST", "/add-checkpoint", "", {}, body))
        assert not isinstance(answer, Answer)
        return await answer

    return asyncio.run(ask())


class _FullShelf:
    """Nothing fits."""

    def read(self, path: str) -> bytes | None:
        del path
        return None

    def write(self, path: str, checkpoint: bytes) -> None:
        del checkpoint
        raise StorageError(path, expected="a durable write", got="no space")


def _app(tmp_path: Path, shelf: Shelf, *, burst: float) -> WitnessApp:
    witness = Witness(
        logs={"log.test/toy": LOG.keys},
        cosigners=(Ed25519Cosigner(name="wit.test/w", seed=b"w" * 32),),
        shelf=shelf,
        evidence=EvidenceFile(tmp_path / "evidence.jsonl"),
        rate=RateLimit(clock=lambda: 0.0, burst=burst),
    )
    return WitnessApp(witness, metadata=b"", clock=lambda: NOW)


def test_too_many_requests_for_one_log(tmp_path: Path) -> None:
    make_witness(tmp_path / "w", *LOG.keys)
    app = _app(tmp_path, WitnessFolder(tmp_path / "w"), burst=2.0)
    answers = [_ask(app, LOG.request(0, 1)) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 409, 429, 429]
    assert ("Retry-After", "1") in answers[-1].headers
    # What no known log signed takes nothing from the bucket, and is answered as ever.
    assert _ask(app, ToyLog("log.test/other").request(0, 1)).status == 404


def test_a_disk_that_fails(tmp_path: Path) -> None:
    app = _app(tmp_path, _FullShelf(), burst=9.0)
    for got in ("no space", "a failed write"):
        answer = _ask(app, LOG.request(0, 1))
        assert (answer.status, json.loads(answer.body)["got"]) == (503, got)
        assert ("Retry-After", "1") in answer.headers


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "log_server.cli", "witness", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_program(tmp_path: Path) -> None:
    made = _run("init", tmp_path / "w", "--name", "wit.test/w", "--log", LOG.keys[0], "--ml-dsa")
    assert made.returncode == 0, made.stderr
    assert parse_vkey(made.stdout.removesuffix("\n")).algorithm == 0x04
    assert re.fullmatch(r"cvm-log: key wit\.test/w\+\S+\n", made.stderr)
    assert _run("init", tmp_path / "w", "--name", "w", "--log", LOG.keys[0]).returncode == 2
    assert _run("init", tmp_path / "x", "--name", "w", "--log", "nonsense").returncode == 2
    assert _run("serve", tmp_path / "nowhere").returncode == 2
    command = [sys.executable, "-m", "log_server.cli", "witness", "serve", str(tmp_path / "w")]
    with subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", "--url", "https://wit.test"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        url = program.stdout.readline().removeprefix("listening on ").strip()
        assert _post(url, LOG.request(0, 4)).status_code == 200
        document = requests.get(f"{url}/witness.v0.json", timeout=10).json()
        assert document["monitoring_url"] == "https://wit.test/"
        program.terminate()
        assert program.wait(30) == 0
