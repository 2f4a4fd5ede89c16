from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import pytest

from log_server import intake as intake_module
from log_server.errors import (
    BusyError,
    DiskSpaceError,
    PolicyRefusalError,
    StoppedError,
    StorageError,
)
from log_server.intake import BATCH_SECONDS, MAX_OUTSTANDING, Committer, Intake
from log_server.log_folder import OpenLog
from log_server.sequencer import Sequenced
from verifier.tlog.merkle import EMPTY_ROOT, TreeHead


class _MemorySequencer:
    """Numbers entries in memory; waits for ``gate`` and fails with ``failure`` if told to."""

    def __init__(self) -> None:
        self.batches: list[tuple[bytes, ...]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.failure: Exception | None = None

    def idle_seconds(self) -> float | None:
        return None

    def commit(self, entries: Sequence[bytes], *, now: datetime) -> Sequenced:
        del now
        assert self.gate.wait(10)
        if self.failure is not None:
            raise self.failure
        start = sum(map(len, self.batches))
        self.batches.append(tuple(entries))
        indices = tuple(range(start, start + len(entries)))
        return Sequenced(indices, TreeHead(indices[-1] + 1, EMPTY_ROOT), b"checkpoint")


def _run(
    sequencer: Committer,
    now: datetime,
    story: Callable[[Intake], Awaitable[None]],
    *,
    require: Callable[[Sequence[bytes]], None] = lambda _: None,
) -> list[str]:
    ended: list[str] = []

    async def main() -> None:
        intake = Intake(
            sequencer,
            clock=lambda: now,
            require=require,
            stopped=lambda: ended.append("stopped"),
        )
        running = asyncio.create_task(intake.run())
        try:
            await story(intake)
        finally:
            intake.drain()
            await running

    asyncio.run(main())
    return ended


def test_answers_carry_the_index_and_the_checkpoint(open_test_log: OpenLog, now: datetime) -> None:
    async def story(intake: Intake) -> None:
        first = await intake.add(b"one")
        second = await intake.add(b"two")
        again = await intake.add(b"one")
        assert (first.index, second.index, again.index) == (0, 1, 0)
        head = open_test_log.sequencer.head
        assert (second.tree, second.checkpoint) == (head.tree, head.checkpoint)

    assert _run(open_test_log.sequencer, now, story) == ["stopped"]


def test_what_waits_goes_together(now: datetime) -> None:
    sequencer = _MemorySequencer()

    async def story(intake: Intake) -> None:
        sequencer.gate.clear()
        waiting = [asyncio.create_task(intake.add(b"%d" % number)) for number in range(300)]
        await asyncio.sleep(0.02)
        sequencer.gate.set()
        answers = await asyncio.gather(*waiting)
        assert [answer.index for answer in answers] == list(range(300))

    _run(sequencer, now, story)
    assert len(sequencer.batches) <= 2


def test_one_client_after_another_never_waits(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "BATCH_SECONDS", 60.0)
    sequencer = _MemorySequencer()

    async def story(intake: Intake) -> None:
        async with asyncio.timeout(10):
            for number in range(20):
                assert (await intake.add(b"%d" % number)).index == number

    _run(sequencer, now, story)
    assert list(map(len, sequencer.batches)) == [1] * 20


def test_clients_that_come_back_together_share_a_batch(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "BATCH_SECONDS", 60.0)
    sequencer = _MemorySequencer()

    async def story(intake: Intake) -> None:
        async with asyncio.timeout(10):
            await asyncio.gather(*(intake.add(b"%d" % number) for number in range(50)))
            half = [asyncio.create_task(intake.add(b"a%d" % number)) for number in range(25)]
            await asyncio.sleep(0.02)
            assert len(sequencer.batches) == 1
            await asyncio.gather(*half, *(intake.add(b"b%d" % number) for number in range(25)))

    _run(sequencer, now, story)
    assert list(map(len, sequencer.batches)) == [50, 50]


def test_who_does_not_come_back_is_not_waited_for(now: datetime) -> None:
    sequencer = _MemorySequencer()

    async def story(intake: Intake) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        await asyncio.gather(*(intake.add(b"%d" % number) for number in range(50)))
        await intake.add(b"alone")
        assert BATCH_SECONDS * 0.9 <= loop.time() - started < 10 * BATCH_SECONDS

    _run(sequencer, now, story)
    assert list(map(len, sequencer.batches)) == [50, 1]


def test_a_batch_ends_with_a_full_tile(now: datetime) -> None:
    sequencer = _MemorySequencer()

    async def story(intake: Intake) -> None:
        await asyncio.gather(*(intake.add(b"%d" % number) for number in range(300)))

    _run(sequencer, now, story)
    assert list(map(len, sequencer.batches)) == [256, 44]


def test_a_submission_of_many_stays_together(now: datetime) -> None:
    sequencer = _MemorySequencer()

    async def story(intake: Intake) -> None:
        many = intake.submit(tuple(b"%d" % number for number in range(300)))
        single = intake.submit((b"single",))
        assert (await many).indices == tuple(range(300))
        assert (await single).indices == (300,)

    _run(sequencer, now, story)


def test_a_batch_is_bounded(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "MAX_COMMIT_ENTRIES", 10)
    sequencer = _MemorySequencer()

    async def story(intake: Intake) -> None:
        await asyncio.gather(*(intake.add(b"%d" % number) for number in range(35)))

    _run(sequencer, now, story)
    assert max(map(len, sequencer.batches)) == 10


def test_submissions_of_many_share_a_commit_that_is_bounded(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "MAX_COMMIT_ENTRIES", 100)
    sequencer = _MemorySequencer()

    async def story(intake: Intake) -> None:
        many = [intake.submit(tuple(b"%d" % n for n in range(40))) for _ in range(5)]
        large = intake.submit(tuple(b"%d" % number for number in range(300)))
        assert (await many[4]).indices == tuple(range(160, 200))
        assert (await large).indices == tuple(range(200, 500))

    _run(sequencer, now, story)
    assert list(map(len, sequencer.batches)) == [80, 80, 40, 300]


def test_the_bytes_of_a_commit_are_bounded(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "MAX_COMMIT_BYTES", 100)
    sequencer = _MemorySequencer()

    async def story(intake: Intake) -> None:
        await asyncio.gather(*(intake.submit((bytes(size),)) for size in (30, 70, 1, 200, 50)))

    _run(sequencer, now, story)
    assert [sum(map(len, batch)) for batch in sequencer.batches] == [100, 1, 200, 50]


def test_what_is_not_admitted_is_not_queued(now: datetime) -> None:
    sequencer = _MemorySequencer()

    def require(entries: Sequence[bytes]) -> None:
        if b"bad" in entries:
            raise PolicyRefusalError("log-policy.kinds", expected="good", got="bad")

    async def story(intake: Intake) -> None:
        with pytest.raises(PolicyRefusalError) as caught:
            await intake.add(b"bad")
        assert caught.value.got == "bad"
        assert (await intake.add(b"good")).index == 0

    _run(sequencer, now, story, require=require)
    assert sequencer.batches == [(b"good",)]


def test_a_batch_that_is_refused_is_not_the_end(now: datetime) -> None:
    sequencer = _MemorySequencer()
    sequencer.failure = DiskSpaceError("free disk space", expected="2 bytes", got="1 bytes")

    async def story(intake: Intake) -> None:
        with pytest.raises(DiskSpaceError) as caught:
            await intake.add(b"one")
        assert (caught.value.expected, caught.value.got) == ("2 bytes", "1 bytes")
        assert intake.failure is None
        sequencer.failure = None
        assert (await intake.add(b"one")).index == 0

    _run(sequencer, now, story)


def test_draining_does_not_wait_for_the_window(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "BATCH_SECONDS", 60.0)
    sequencer = _MemorySequencer()

    async def story(intake: Intake) -> None:
        await intake.add(b"first")
        late = asyncio.create_task(intake.add(b"second"))
        await asyncio.sleep(0)
        intake.drain()
        async with asyncio.timeout(10):
            assert (await late).index == 1
        with pytest.raises(StoppedError) as caught:
            await intake.add(b"too late")
        assert caught.value.got == "it is stopping"

    _run(sequencer, now, story)


def test_too_many_entries(now: datetime) -> None:
    sequencer = _MemorySequencer()

    async def story(intake: Intake) -> None:
        sequencer.gate.clear()
        waiting = [
            asyncio.create_task(intake.add(b"%d" % number)) for number in range(MAX_OUTSTANDING)
        ]
        await asyncio.sleep(0.01)
        with pytest.raises(BusyError) as caught:
            await intake.add(b"one more")
        assert caught.value.what == "waiting entries"
        assert caught.value.expected == "at most 32768 entries and 67108864 bytes"
        sequencer.gate.set()
        await asyncio.gather(*waiting)
        await intake.add(b"one more")

    _run(sequencer, now, story)


def test_too_many_bytes(now: datetime) -> None:
    sequencer = _MemorySequencer()

    async def story(intake: Intake) -> None:
        sequencer.gate.clear()
        large = bytes(2**16 - 1)
        waiting = [asyncio.create_task(intake.add(large)) for _ in range(1024)]
        await asyncio.sleep(0.01)
        with pytest.raises(BusyError):
            await intake.add(large)
        sequencer.gate.set()
        await asyncio.gather(*waiting)

    _run(sequencer, now, story)


def test_a_failure_reaches_everybody_and_ends_the_run(now: datetime) -> None:
    sequencer = _MemorySequencer()
    sequencer.failure = StorageError("tile/0/000", expected="a durable write", got="no space")

    async def story(intake: Intake) -> None:
        sequencer.gate.clear()
        first = asyncio.create_task(intake.add(b"first"))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(intake.add(b"second"))
        await asyncio.sleep(0.01)
        sequencer.gate.set()
        for waiting in (first, second):
            with pytest.raises(StoppedError) as caught:
                await waiting
            assert caught.value.got == str(sequencer.failure)
        assert intake.failure is sequencer.failure
        with pytest.raises(StoppedError):
            await intake.add(b"later")

    assert _run(sequencer, now, story) == ["stopped"]


def test_a_client_that_goes_away_does_not_stop_the_others(now: datetime) -> None:
    sequencer = _MemorySequencer()

    async def story(intake: Intake) -> None:
        sequencer.gate.clear()
        gone = asyncio.create_task(intake.add(b"gone"))
        stays = asyncio.create_task(intake.add(b"stays"))
        await asyncio.sleep(0.01)
        gone.cancel()
        sequencer.gate.set()
        assert (await stays).index == 1

    _run(sequencer, now, story)
    assert sequencer.batches == [(b"gone", b"stays")]


def test_a_bug_leaves_nobody_waiting(now: datetime) -> None:
    sequencer = _MemorySequencer()
    sequencer.failure = ZeroDivisionError("in the sequencer")

    async def story(intake: Intake) -> None:
        with pytest.raises(StoppedError):
            await asyncio.wait_for(intake.add(b"one"), 5)

    with pytest.raises(ZeroDivisionError):
        _run(sequencer, now, story)
