from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
import requests

from log_server import health as health_module
from log_server.errors import StorageError
from log_server.exchange import Answer, Request
from log_server.health import Check, Health
from log_server.intake import Intake
from log_server.log_folder import LogFolder, OpenLog, create_log
from log_server.sequencer import Sequenced
from tests.log_server.conftest import Serve
from verifier.errors import VerificationError

ASK = Request("GET", "/health", "", {}, b"")


class _Gated:
    """Commits when ``gate`` opens; fails with ``failure`` if there is one."""

    def __init__(self, log: OpenLog) -> None:
        self.gate = threading.Event()
        self.failure: StorageError | None = None
        self._log = log

    def idle_seconds(self) -> float | None:
        return None

    def commit(self, entries: Sequence[bytes], *, now: datetime) -> Sequenced:
        assert self.gate.wait(10)
        if self.failure is not None:
            raise self.failure
        return self._log.sequencer.commit(entries, now=now)


def _health(log: OpenLog, intake: Intake, *checks: Check) -> Health:
    return Health(intake=intake, publisher=log.publisher, keys=log.keys, checks=checks)


def test_a_sound_log(open_test_log: OpenLog, serving: Serve) -> None:
    with serving(open_test_log) as url:
        response = requests.get(f"{url}/health", timeout=10)
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "no-store"
        assert response.json()["size"] == 0
        requests.post(f"{url}/add", data=b"one", timeout=10)
        assert requests.get(f"{url}/health", timeout=10).json()["size"] == 1


def test_a_damaged_or_missing_checkpoint(
    open_test_log: OpenLog, serving: Serve, log_root: Path
) -> None:
    published = LogFolder(log_root).public / "checkpoint"
    with serving(open_test_log) as url:
        sound = published.read_bytes()
        published.write_bytes(sound.replace(b"\n0\n", b"\n1\n"))
        response = requests.get(f"{url}/health", timeout=10)
        assert response.status_code == 503
        assert response.headers["Content-Type"] == "application/problem+json"
        assert "signature" in response.json()["field"]
        published.unlink()
        problem = requests.get(f"{url}/health", timeout=10).json()
        assert (problem["field"], problem["got"]) == ("published checkpoint", "none")
        published.write_bytes(sound)
        assert requests.get(f"{url}/health", timeout=10).status_code == 200
        requests.post(f"{url}/add", data=b"one", timeout=10)
        published.write_bytes(sound)
        problem = requests.get(f"{url}/health", timeout=10).json()
        assert problem["expected"] == "at least size 1, which was acknowledged"
        assert problem["got"] == "0"


def test_a_stale_checkpoint(
    open_test_log: OpenLog, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_module, "STALE_SECONDS", 0.05)

    async def main() -> tuple[Answer, Answer]:
        gated = _Gated(open_test_log)
        intake = Intake(gated, clock=lambda: now)
        running = asyncio.create_task(intake.run())
        health = _health(open_test_log, intake)
        waiting = intake.submit((b"one",))
        await asyncio.sleep(0.1)
        stale = health.answer(ASK)
        gated.gate.set()
        await waiting
        fresh = health.answer(ASK)
        intake.drain()
        await running
        return stale, fresh

    stale, fresh = asyncio.run(main())
    assert (stale.status, fresh.status) == (503, 200)
    assert b'"field": "newest checkpoint"' in stale.body


def test_a_log_that_failed_or_stops(open_test_log: OpenLog, now: datetime) -> None:
    async def main() -> tuple[Answer, Answer]:
        gated = _Gated(open_test_log)
        intake = Intake(gated, clock=lambda: now)
        running = asyncio.create_task(intake.run())
        health = _health(open_test_log, intake)
        waiting = intake.submit((b"one",))
        intake.drain()
        stopping = health.answer(ASK)
        gated.failure = StorageError("tile/0/000.p/1", expected="a durable write", got="no space")
        gated.gate.set()
        await asyncio.wait((waiting, running))
        assert waiting.exception() is not None
        return stopping, health.answer(ASK)

    stopping, failed = asyncio.run(main())
    assert (stopping.status, failed.status) == (503, 503)
    assert b'"got": "it is stopping"' in stopping.body
    assert b'"got": "no space"' in failed.body


def test_further_checks_are_asked(open_test_log: OpenLog, now: datetime) -> None:
    def check() -> None:
        raise VerificationError("quorum", expected="2 of 3 witnesses", got="1")

    async def main() -> None:
        intake = Intake(open_test_log.sequencer, clock=lambda: now)
        assert _health(open_test_log, intake).examine().size == 0
        with pytest.raises(VerificationError) as caught:
            _health(open_test_log, intake, check).examine()
        assert caught.value.got == "1"
        assert b'"expected": "2 of 3 witnesses"' in (
            _health(open_test_log, intake, check).answer(ASK).body
        )

    asyncio.run(main())


def test_another_key_is_not_believed(open_test_log: OpenLog, now: datetime, tmp_path: Path) -> None:
    other = create_log(tmp_path / "other", origin="log.test/one", now=now)

    async def main() -> None:
        intake = Intake(open_test_log.sequencer, clock=lambda: now)
        health = Health(intake=intake, publisher=open_test_log.publisher, keys=(other,), checks=())
        with pytest.raises(VerificationError) as caught:
            health.examine()
        assert other.key_id.hex() in caught.value.expected
        assert health.answer(ASK).status == 503

    asyncio.run(main())
