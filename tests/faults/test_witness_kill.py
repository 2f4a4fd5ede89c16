"""Kill a witness under load, again and again, and hold it to every cosignature that it gave.

The log signs two trees of every size, and clients offer both at once: newer sizes, the same size
again, and older ones. Whatever the moment of death,

- no two cosignatures are over different roots of one size, over all the lives of the witness;
- none for a smaller tree is asked for and given after one for a larger tree was given;
- the file that the witness starts again from is not behind any of them.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import pytest
import requests

from log_server.witness.folder import WitnessFolder
from log_server.witness.request import SIZE_MEDIA_TYPE
from log_server.witness.witness import checkpoint_path
from tests.log_server.witness.witnesses import ToyLog, make_witness
from tests.running import ROOT
from verifier.tlog.checkpoint import parse_checkpoint
from verifier.tlog.merkle import TreeHead
from verifier.tlog.note import VerificationKey, parse_note
from verifier.tlog.timestamped_signature import verify_timestamped_signature

KILLS = int(os.environ.get("CVM_LOG_WITNESS_KILLS", "8"))
CLIENTS = 6
ORIGIN = "log.test/two-faced"
FACES = (ToyLog(ORIGIN, tag="one"), ToyLog(ORIGIN, tag="two"))


@dataclass(frozen=True, slots=True)
class Given:
    """A cosignature that came back: for what, and between which instants it was made."""

    tree: TreeHead
    sent: float
    received: float


@dataclass(slots=True)
class Client:
    """Offers trees of one face, and keeps what is cosigned. ``statuses`` are those of answers."""

    url: str
    key: VerificationKey
    face: ToyLog
    chance: random.Random
    old: int = 0
    given: list[Given] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        with requests.Session() as session:
            while not stop.is_set():
                try:
                    self._ask(session)
                except requests.RequestException:
                    return  # killed; whether it cosigned is not known, and nobody has it

    def _ask(self, session: requests.Session) -> None:
        old, new = self.old, self.old + self.chance.choice((1, 1, 2, 3))
        if self.chance.random() < 0.2:  # the same size again, or an older one
            old = new = self.chance.randint(max(1, self.old - 3), max(1, self.old))
        sent = time.monotonic()
        answer = session.post(
            f"{self.url}/add-checkpoint", data=self.face.request(old, new), timeout=10
        )
        received = time.monotonic()
        self.statuses.append(answer.status_code)
        if answer.status_code == 200:
            self.given.append(Given(self._verified(new, answer.content), sent, received))
            self.old = new
        elif answer.status_code == 409:
            assert answer.headers["Content-Type"] == SIZE_MEDIA_TYPE
            self.old = int(answer.text)
        elif answer.status_code == 429:
            time.sleep(0.02)
        else:
            assert answer.status_code == 422, answer.text

    def _verified(self, size: int, answer: bytes) -> TreeHead:
        tree = self.face.tree(size)
        note = parse_note(parse_note(self.face.checkpoint(size)).text.encode() + b"\n" + answer)
        (line,) = note.signatures_of(self.key)
        assert verify_timestamped_signature(
            line, key=self.key, text=note.text, origin=ORIGIN, tree=tree
        )
        return tree


@contextmanager
def _serving(root: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "log_server.cli", "witness", "serve", str(root)]
    with subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as witness:
        assert witness.stdout is not None
        assert witness.stderr is not None
        line = witness.stdout.readline()
        assert line, witness.stderr.read()
        try:
            yield line.removeprefix("listening on ").strip(), witness
        finally:
            witness.kill()


def _serve_and_kill(root: Path, key: VerificationKey, chance: random.Random) -> list[Client]:
    stop = threading.Event()
    before = _remembered(root)
    with _serving(root) as (url, witness):
        served = requests.get(f"{url}/{checkpoint_path(ORIGIN)}", timeout=10)
        assert served.status_code == (200 if before else 404)
        assert not before or parse_checkpoint(parse_note(served.content)).tree == before
        clients = [
            Client(url, key, FACES[number % 2], random.Random(chance.random()))
            for number in range(CLIENTS)
        ]
        with ThreadPoolExecutor(CLIENTS) as threads:
            running = [threads.submit(client.run, stop) for client in clients]
            time.sleep(chance.uniform(0.1, 0.5))
            witness.kill()
            stop.set()
            for one in running:
                one.result()
    return clients


def _remembered(root: Path) -> TreeHead | None:
    raw = WitnessFolder(root).read(checkpoint_path(ORIGIN))
    return parse_checkpoint(parse_note(raw)).tree if raw is not None else None


def require_one_history(given: list[Given]) -> None:
    """One root for a size, and nothing smaller after something larger."""
    by_size = sorted(given, key=lambda one: one.tree.size)
    for size, same in groupby(by_size, key=lambda one: one.tree.size):
        assert len({one.tree.root for one in same}) == 1, f"two roots of size {size}"
    ended = sorted(given, key=attrgetter("received"))
    largest = at = 0
    for one in sorted(given, key=attrgetter("sent")):
        while at < len(ended) and ended[at].received < one.sent:
            largest = max(largest, ended[at].tree.size)
            at += 1
        assert one.tree.size >= largest, f"size {one.tree.size} after size {largest}"


def test_a_killed_witness_forgets_no_cosignature(
    tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    root = tmp_path / "witness"
    (key,) = make_witness(root, *FACES[0].keys)
    chance = random.Random(23)
    given: list[Given] = []
    statuses: set[int] = set()
    for _ in range(KILLS):
        clients = _serve_and_kill(root, key, chance)
        given += [one for client in clients for one in client.given]
        statuses |= {status for client in clients for status in client.statuses}
        require_one_history(given)
        remembered = _remembered(root)
        if given:
            last = max((one.tree for one in given), key=lambda tree: tree.size)
            assert remembered is not None
            assert remembered.size >= last.size
            assert remembered.size > last.size or remembered == last
    assert len(given) > KILLS
    assert {200, 409, 422} <= statuses
    record_testsuite_property("witness kills", KILLS)
    record_testsuite_property("cosignatures, one history", len(given))


def test_what_a_forgetful_witness_does_is_seen() -> None:
    one, two = FACES
    for second, said in (
        (Given(two.tree(5), 3.0, 4.0), "two roots of size 5"),
        (Given(one.tree(4), 3.0, 4.0), "size 4 after size 5"),
    ):
        with pytest.raises(AssertionError, match=said):
            require_one_history([Given(one.tree(5), 1.0, 2.0), second])
    # Asked for before the larger one was given: either order is right.
    require_one_history([Given(one.tree(5), 1.0, 2.0), Given(one.tree(4), 1.5, 4.0)])
