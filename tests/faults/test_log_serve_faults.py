"""A server whose disk fails: what clients see, and how it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from log_server import intake
from log_server.errors import StorageError
from log_server.log_folder import LogFolder, create_log, open_log
from log_server.metrics import Metrics
from log_server.publisher import DirectoryPublisher
from log_server.sequencer import Sequenced, Sequencer
from log_server.server import LogServer, listen, queue_before
from tests.faults.faulty_log import LOST, Faults, open_faulty

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("name", ["advance", "create tile/0/000.p/1", "replace checkpoint"])
def test_a_failing_disk_is_503_and_the_end_of_the_server(tmp_path: Path, name: str) -> None:
    root = tmp_path / "log"
    create_log(root, origin="log.test/serve", now=NOW)
    points = (
        "begin",
        "commit",
        "insert",
        "advance",
        "create tile/entries/000.p/1",
        "create tile/0/000.p/1",
        "anchor",
        "replace checkpoint",
    )
    ended: list[Exception] = []
    answered = threading.Event()
    with open_faulty(root, Faults(points.index(name), LOST)) as sequencer:
        folder = LogFolder(root)
        publisher = DirectoryPublisher(folder.public, staging=folder.staging)
        with listen("127.0.0.1", 0) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            server = LogServer(
                listener,
                open_queue=queue_before(sequencer, require=lambda _: None),
                publisher=publisher,
                parse_entry=bytes,
                ready=answered.set,
                keys=(),
                metrics=Metrics(size=0, timestamp=0, clock=time.time),
            )

            def run() -> None:
                try:
                    server.run()
                except StorageError as error:
                    ended.append(error)

            thread = threading.Thread(target=run)
            thread.start()
            assert answered.wait(10)
            response = requests.post(f"{url}/add", data=b"one", timeout=10)
            thread.join(30)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    problem = response.json()
    assert problem["expected"] == "a durable entry"
    assert problem["got"].startswith(f"{name}: injected: lost")
    assert [error.what for error in ended if isinstance(error, StorageError)] == [name]
    with open_log(root) as again:
        # The server signed by the real clock.
        assert again.sequencer.commit([b"one", b"two"], now=datetime.now(UTC)).indices == (0, 1)


class _SlowSequencer:
    """Commits when ``gate`` opens."""

    def __init__(self, inner: Sequencer) -> None:
        self.gate = threading.Event()
        self.began = threading.Event()
        self._inner = inner

    def idle_seconds(self) -> float | None:
        return None

    def commit(self, entries: Sequence[bytes], *, now: datetime) -> Sequenced:
        self.began.set()
        assert self.gate.wait(30)
        return self._inner.commit(entries, now=now)


def test_too_many_waiting_entries_are_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_OUTSTANDING", 1)
    root = tmp_path / "log"
    create_log(root, origin="log.test/serve", now=NOW)
    answered = threading.Event()
    with open_log(root) as log, listen("127.0.0.1", 0) as listener:
        slow = _SlowSequencer(log.sequencer)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/add"
        server = LogServer(
            listener,
            open_queue=queue_before(slow, require=lambda _: None),
            publisher=log.publisher,
            parse_entry=bytes,
            ready=answered.set,
            keys=log.keys,
            metrics=Metrics(size=0, timestamp=0, clock=time.time),
        )
        thread = threading.Thread(target=server.run)
        thread.start()
        assert answered.wait(10)
        with ThreadPoolExecutor(1) as client:
            first = client.submit(requests.post, url, data=b"one", timeout=30)
            assert slow.began.wait(10)
            refused = requests.post(url, data=b"two", timeout=10)
            slow.gate.set()
            assert first.result().text == "0"
        server.stop()
        thread.join(30)
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"
    assert refused.json()["field"] == "waiting entries"
