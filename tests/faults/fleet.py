"""Several ``cvm-log serve`` of one log in PostgreSQL, clients that never give up, and a witness.

Every answer is kept and held against the log at the end; every checkpoint that is ever published
or anchored is kept, and no two of one size may differ.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from log_server.metrics import Metrics
from log_server.server import LogServer, listen
from log_server.shared.folder import share_log
from log_server.source import DirectorySource
from log_server.store.database_url import DatabaseUrl
from log_server.store.postgresql import lock_key
from log_server.witnessing import PATIENCE
from tests.log_server.examining import require_sound
from tests.postgresql import Cluster
from tests.running import ROOT, cvm_log
from verifier.tlog.checkpoint import open_checkpoint
from verifier.tlog.merkle import leaf_hash
from verifier.tlog.note import VerificationKey, parse_vkey
from verifier.tlog.tile import bundle_path, parse_bundle, width_for_size

__all__ = ["Fleet", "Server", "fleet"]

_ORIGIN = "log.test/fleet"


@dataclass(slots=True)
class Server:
    """One process, and where it answers."""

    program: subprocess.Popen[str]
    url: str

    @property
    def pid(self) -> int:
        return self.program.pid

    def kill(self) -> None:
        self.program.kill()
        self.program.communicate(timeout=30)


class Fleet:
    """The servers that run, the clients that submit, and what all of them saw."""

    def __init__(self, root: Path, cluster: Cluster, database: DatabaseUrl) -> None:
        made = cvm_log("init", root, "--origin", _ORIGIN, "--database", database)
        assert made.code == 0, made.err
        self.root = root
        self.key: VerificationKey = parse_vkey(made.out.strip())
        self.servers: list[Server] = []
        self.answers: dict[bytes, int] = {}
        self._cluster = cluster
        self._database = database
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []
        self._roots: dict[int, bytes] = {}
        self._published = 0

    def serve(self) -> Server:
        """Start one more server."""
        command = [sys.executable, "-m", "log_server.cli", "serve", str(self.root)]
        with (self.root.parent / "stderr").open("ab") as told:
            program = subprocess.Popen(
                [*command, "--listen", "127.0.0.1:0"],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=told,
                text=True,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
        assert program.stdout is not None
        line = program.stdout.readline()
        assert line, self.told()
        server = Server(program, line.removeprefix("listening on ").strip())
        self.servers.append(server)
        return server

    def told(self) -> str:
        """What all servers said to their operator."""
        return (self.root.parent / "stderr").read_text()

    def elected(self) -> int | None:
        """The process whose session has the lock of the log, as the database knows it."""
        rows = self._cluster.run(
            "SELECT application_name, (classid::bigint << 32) | objid::bigint"
            " FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory'",
            self._database,
        )
        holders = [name for name, key in rows if key == lock_key(_ORIGIN)]
        return int(holders[0].rsplit(" ", 1)[-1]) if holders else None

    def wait_elected(self, *, other_than: int | None = None) -> Server:
        """The elected server, which logs and publishes. Waits for one."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            pid = self.elected()
            for server in self.servers:
                if server.pid == pid != other_than:
                    return server
            time.sleep(0.02)
        raise AssertionError(self.told())

    def depose(self) -> None:
        """End the sequencer's session, as an administrator may."""
        self.wait_elected()
        self._cluster.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'cvm-log sequencer %'",
            self._database,
        )

    def wait_healthy(self, *urls: str) -> None:
        """Wait until all servers, or those at ``urls``, say that all is well."""
        for url in urls or [server.url for server in self.servers]:
            end = time.monotonic() + 30
            while (answer := requests.get(f"{url}/health", timeout=5)).status_code != 200:
                assert time.monotonic() < end, answer.text
                time.sleep(0.05)

    def wait_problem(self, url: str, field: str) -> dict[str, str]:
        """Wait until a server says that something is wrong with ``field``; what it says."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            answer = requests.get(f"{url}/health", timeout=5)
            if answer.status_code == 503 and answer.json()["field"] == field:
                problem: dict[str, str] = answer.json()
                return problem
            time.sleep(0.05)
        raise AssertionError(answer.text)

    @contextmanager
    def served_here(self) -> Iterator[str]:
        """One more server, in this very process."""
        log = share_log(
            self.root,
            database=self._database,
            disk_floor=0,
            witness_policy=None,
            patience=PATIENCE,
            tell=lambda _: None,
        )
        answered = threading.Event()
        with listen("127.0.0.1", 0) as listener:
            server = LogServer(
                listener,
                open_queue=log.open_queue,
                publisher=log.publisher,
                parse_entry=bytes,
                ready=answered.set,
                keys=log.keys,
                metrics=Metrics(size=0, timestamp=0, clock=time.time),
                checks=(log.check,),
            )
            thread = threading.Thread(target=server.run)
            thread.start()
            try:
                assert answered.wait(10)
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                server.stop()
                thread.join(60)

    def wait_answers(self, more: int = 50) -> None:
        """Wait until clients have got ``more`` answers from now on."""
        wanted, end = len(self.answers) + more, time.monotonic() + 30
        while len(self.answers) < wanted:
            assert time.monotonic() < end, (len(self.answers), wanted, self.told())
            assert not self._failures, self._failures
            time.sleep(0.02)

    def submit(self, clients: int) -> None:
        """Start clients, each with an entry after the other, and one who looks at checkpoints."""
        for number in range(clients):
            self._start(self._submit_all, f"client-{number}")
        self._start(self._look, "looking")

    def finish(self) -> None:
        """Stop clients, let the servers end in order, and hold the log to everything seen."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        assert not self._failures, self._failures
        for server in self.servers:
            server.program.send_signal(signal.SIGTERM)
        codes = [server.program.wait(60) for server in self.servers]
        assert codes == [0] * len(codes), self.told()
        self.look()
        examined = cvm_log("fsck", self.root, "--vkey", self.key)
        assert (examined.code, examined.last) == (0, "sound"), examined
        assert "not examined" not in examined.err
        self._require_answers(require_sound(DirectorySource(self.root / "public"), self.key).size)

    def close(self) -> None:
        """Whatever happened: nothing runs on."""
        self._stop.set()
        for server in self.servers:
            server.kill()
        for thread in self._threads:
            thread.join(60)

    def look(self) -> None:
        """Read anchor and checkpoint: never two of one size, and published ones never shrink."""
        for path in (self.root / "anchor", self.root / "public" / "checkpoint"):
            tree = open_checkpoint(path.read_bytes(), keys=(self.key,)).tree
            assert self._roots.setdefault(tree.size, tree.root) == tree.root
        assert tree.size >= self._published
        self._published = tree.size

    def _look(self, name: str) -> None:
        del name
        while not self._stop.wait(0.005):
            self.look()

    def _start(self, work: Callable[[str], None], name: str) -> None:
        def run() -> None:
            try:
                work(name)
            except BaseException as error:  # noqa: BLE001 - shown by whoever waits
                self._failures.append(error)

        thread = threading.Thread(target=run)
        self._threads.append(thread)
        thread.start()

    def _submit_all(self, name: str) -> None:
        seeded = random.Random(name)
        number = 0
        with requests.Session() as session:
            while not self._stop.is_set():
                entry = f"{name}-{number}".encode() * 20
                index = self._submit_until_answered(session, entry, seeded)
                if index is not None:
                    self.answers[entry] = index
                number += 1

    def _submit_until_answered(
        self, session: requests.Session, entry: bytes, seeded: random.Random
    ) -> int | None:
        while not self._stop.is_set():
            server = seeded.choice(self.servers)
            try:
                answer = session.post(f"{server.url}/add", data=entry, timeout=5)
            except requests.RequestException:
                time.sleep(0.02)  # killed or stopped; whether the entry is in the log is not known
                continue
            if answer.status_code == 200:
                return int(answer.text)
            assert answer.status_code == 503, answer.text
            assert answer.headers["Retry-After"] == "1"
            time.sleep(0.02)
        return None

    def _require_answers(self, size: int) -> None:
        bundles: dict[int, tuple[bytes, ...]] = {}
        for entry, index in self.answers.items():
            number, place = divmod(index, 256)
            if number not in bundles:
                width = width_for_size(0, number, size)
                raw = (self.root / "public" / bundle_path(number, width)).read_bytes()
                bundles[number] = parse_bundle(raw, width=width)
            assert bundles[number][place] == entry
        assert len(set(map(leaf_hash, self.answers))) == len(set(self.answers.values()))


@contextmanager
def fleet(root: Path, cluster: Cluster, *, servers: int) -> Iterator[Fleet]:
    """A new log, and servers for it."""
    made = Fleet(root, cluster, cluster.database())
    try:
        for _ in range(servers):
            made.serve()
        yield made
    finally:
        made.close()
