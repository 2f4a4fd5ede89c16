"""A fresh log in a directory, and a real server for it on a free port of the loopback."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from log_server.admission import EntryParser
from log_server.health import Check
from log_server.log_folder import OpenLog, create_log, open_log
from log_server.metrics import Metrics
from log_server.server import LogServer, listen, queue_before
from tests.log_server.witnessed import Field
from verifier.tlog.note import VerificationKey

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def log_root(tmp_path: Path) -> Path:
    create_log(tmp_path / "log", origin="log.test/one", now=NOW)
    return tmp_path / "log"


@pytest.fixture
def log_key(log_root: Path) -> VerificationKey:
    with open_log(log_root) as log:
        return log.keys[0]


@pytest.fixture
def open_test_log(log_root: Path) -> Iterator[OpenLog]:
    with open_log(log_root) as log:
        yield log


@pytest.fixture
def field(tmp_path: Path) -> Field:
    return Field(tmp_path, NOW)


@pytest.fixture
def serving() -> Serve:
    @contextmanager
    def serve(
        log: OpenLog, *, parse_entry: EntryParser = bytes, checks: tuple[Check, ...] = ()
    ) -> Iterator[str]:
        answered = threading.Event()
        with listen("127.0.0.1", 0) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            server = LogServer(
                listener,
                open_queue=queue_before(log.sequencer, require=log.sequencer.admission.require),
                publisher=log.publisher,
                parse_entry=parse_entry,
                ready=answered.set,
                keys=log.keys,
                metrics=Metrics(size=0, timestamp=0, clock=time.time),
                checks=(log.sequencer.require_published, *checks),
            )
            thread = threading.Thread(target=server.run)
            thread.start()
            try:
                assert answered.wait(10)
                yield url
            finally:
                server.stop()
                thread.join(30)

    return serve
