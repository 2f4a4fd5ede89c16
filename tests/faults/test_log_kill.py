"""Kill a real server under load, again and again, and hold it to every answer that it gave."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from log_server.log_folder import open_log
from log_server.source import DirectorySource
from tests.log_server.examining import require_sound
from verifier.tlog.merkle import leaf_hash
from verifier.tlog.note import VerificationKey, parse_vkey
from verifier.tlog.tile import bundle_path, parse_bundle, width_for_size

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("CVM_LOG_KILLS", "15"))
CLIENTS = 8


def _program(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "log_server.cli", *map(str, arguments)]


def _submit(url: str, name: str, stop: threading.Event, answers: dict[bytes, int]) -> None:
    with requests.Session() as session:
        number = 0
        while not stop.is_set():
            entry = f"{name}-{number}".encode() * 20
            try:
                answer = session.post(f"{url}/add", data=entry, timeout=10)
            except requests.RequestException:
                return  # killed; whether the entry is in the log is not known
            assert answer.status_code == 200
            answers[entry] = int(answer.text)
            number += 1


def _serve_and_kill(root: Path, name: str, after: float) -> dict[bytes, int]:
    answers: dict[bytes, int] = {}
    stop = threading.Event()
    with subprocess.Popen(
        _program("serve", root, "--listen", "127.0.0.1:0"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        line = server.stdout.readline()
        assert line, server.stderr.read()
        url = line.removeprefix("listening on ").strip()
        with ThreadPoolExecutor(CLIENTS) as clients:
            running = [
                clients.submit(_submit, url, f"{name}-{client}", stop, answers)
                for client in range(CLIENTS)
            ]
            time.sleep(after)
            server.kill()
            stop.set()
            for one in running:
                one.result()
    return answers


def test_every_acknowledged_entry_survives_being_killed(
    tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    root = tmp_path / "log"
    made = subprocess.run(
        _program("init", root, "--origin", "log.test/kill"),
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    key = parse_vkey(made.stdout.strip())
    seeded = random.Random(11)
    answers: dict[bytes, int] = {}
    for number in range(KILLS):
        answers |= _serve_and_kill(root, str(number), seeded.uniform(0.05, 0.5))
        _require(root, key, answers)
    assert len(answers) > KILLS * CLIENTS
    record_testsuite_property("kills", KILLS)
    record_testsuite_property("acknowledged entries, all present", len(answers))


def _require(root: Path, key: VerificationKey, answers: dict[bytes, int]) -> None:
    # What is published at the instant of death already covers every answer; starting again may
    # add what was committed and not answered.
    source = DirectorySource(root / "public")
    size = require_sound(source, key).size
    for entry, index in answers.items():
        number, place = divmod(index, 256)
        width = width_for_size(0, number, size)
        raw = (root / "public" / bundle_path(number, width)).read_bytes()
        assert parse_bundle(raw, width=width)[place] == entry
    with open_log(root):
        pass
    assert require_sound(source, key).size >= size
    assert len(set(map(leaf_hash, answers))) == len(set(answers.values()))
