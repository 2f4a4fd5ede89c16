"""Kill, depose and stop the sequencer of a log in PostgreSQL: another goes on, nothing forks."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import requests

from log_server import health
from log_server.log_folder import create_log, open_log
from log_server.shared import front
from tests.faults.fleet import fleet
from tests.postgresql import Cluster
from tests.running import cvm_log

KILLS = int(os.environ.get("CVM_LOG_TAKEOVERS", "6"))


@pytest.mark.parametrize("servers", [2, 3])
def test_a_killed_sequencer_is_replaced(
    tmp_path: Path,
    postgresql: Cluster,
    servers: int,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    seconds = []
    with fleet(tmp_path / "log", postgresql, servers=servers) as running:
        running.submit(clients=6)
        for _ in range(KILLS // 2):
            running.wait_answers()
            killed = running.wait_elected()
            running.servers.remove(killed)
            started = time.monotonic()
            killed.kill()
            taken = running.wait_elected(other_than=killed.pid)
            running.wait_answers(1)
            seconds.append(time.monotonic() - started)
            assert taken.pid != killed.pid
            running.serve()
        running.wait_answers()
        running.finish()
        assert running.told().count("elected sequencer") > KILLS // 2
    record_testsuite_property(f"slowest of {len(seconds)} takeovers, seconds", max(seconds))


def test_a_killed_front_end_takes_nothing_with_it(tmp_path: Path, postgresql: Cluster) -> None:
    with fleet(tmp_path / "log", postgresql, servers=3) as running:
        running.submit(clients=6)
        sequencer = running.wait_elected()
        for server in [one for one in running.servers if one is not sequencer]:
            running.wait_answers()
            running.servers.remove(server)
            server.kill()
        running.wait_answers()
        assert running.elected() == sequencer.pid
        running.finish()


def test_a_sequencer_that_loses_its_session_is_deposed(tmp_path: Path, postgresql: Cluster) -> None:
    with fleet(tmp_path / "log", postgresql, servers=2) as running:
        running.submit(clients=6)
        for _ in range(4):
            running.wait_answers()
            running.depose()
        running.wait_answers()
        assert {server.program.poll() for server in running.servers} == {None}
        running.finish()
        told = running.told()
    reason = "terminating connection due to administrator command"
    assert f"cvm-log: not the sequencer: database: {reason} (expected success)" in told
    assert told.count("elected sequencer") > 4


def test_the_database_crashes_and_comes_back(tmp_path: Path, postgresql: Cluster) -> None:
    with fleet(tmp_path / "log", postgresql, servers=2) as running:
        running.submit(clients=6)
        running.wait_answers()
        postgresql.stop(signal.SIGQUIT)
        time.sleep(1)
        for server in running.servers:
            problem = requests.get(f"{server.url}/health", timeout=5)
            assert problem.status_code == 503
            assert problem.json()["field"] == "database"
            # What is published can be read all the same.
            assert requests.get(f"{server.url}/checkpoint", timeout=5).status_code == 200
        postgresql.start()
        running.wait_answers()
        running.wait_healthy()
        running.finish()


def test_a_stopped_sequencer_keeps_everybody_from_publishing(
    tmp_path: Path, postgresql: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "STALE_SECONDS", 1.5)
    monkeypatch.setattr(front, "SILENT_SECONDS", 1.0)
    with (
        fleet(tmp_path / "log", postgresql, servers=1) as running,
        ThreadPoolExecutor(1) as client,
    ):
        sequencer = running.wait_elected()
        with running.served_here() as url:
            assert requests.post(f"{url}/add", data=b"one", timeout=10).text == "0"
            sequencer.program.send_signal(signal.SIGSTOP)
            try:
                published = (running.root / "public" / "checkpoint").read_bytes()
                silent = running.wait_problem(url, "sequencer of the log")
                answer = client.submit(requests.post, f"{url}/add", data=b"two", timeout=30)
                stale = running.wait_problem(url, "newest checkpoint")
                assert running.elected() == sequencer.pid
                assert (running.root / "public" / "checkpoint").read_bytes() == published
                assert not answer.done()
            finally:
                sequencer.program.send_signal(signal.SIGCONT)
            assert answer.result().text == "1"
            running.wait_healthy(url)
        running.finish()
    assert silent["expected"] == "a sign of life within 1 s"
    assert silent["got"].endswith(
        "another session of the database holds it (expected no other program))"
    )
    assert stale["expected"] == "a checkpoint over every entry within 2 s"


def test_an_old_dump_is_not_gone_on_from(tmp_path: Path, postgresql: Cluster) -> None:
    root, database = tmp_path / "log", postgresql.database()
    now = datetime.now(UTC)
    create_log(root, origin="log.test/dump", now=now, database=database)
    with open_log(root) as log:
        log.sequencer.commit([b"one"], now=now)
        older = postgresql.dump(database)
        log.sequencer.commit([b"two"], now=now)
        newest = postgresql.dump(database)
    restored, moved = postgresql.another_database(), postgresql.another_database()
    postgresql.restore(restored, older)
    refused = cvm_log("serve", root, "--listen", "127.0.0.1:0", "--database", restored)
    assert refused.code == 1
    expected = "cvm-log: database was rolled back: size 1 (expected at least size 2 of the anchor)"
    assert expected in refused.err
    # The newest one goes on where it was, with all that the database itself refuses.
    postgresql.restore(moved, newest)
    (root / "database").write_text(f"{moved}\n")
    with open_log(root) as log:
        assert log.sequencer.commit([b"two", b"three"], now=now).indices == (1, 2)
    with pytest.raises(psycopg.Error, match="entries is append-only: no DELETE"):
        postgresql.run("DELETE FROM cvm_log.entries", moved)
