"""Where submitted entries wait: many requests in, one batch at a time to the sequencer.

An idle log sequences an entry at once. A busy one starts a batch every 50 ms, or as soon as 256
entries wait, so that the files and fsyncs of a batch are shared. Each waiting request is answered
when its batch is durable and covered by a published checkpoint, and not before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from log_server.errors import BusyError, LogError, StoppedError
from log_server.sequencer import Sequenced
from verifier.tlog.merkle import TreeHead

__all__ = [
    "BATCH_ENTRIES",
    "BATCH_SECONDS",
    "MAX_OUTSTANDING",
    "MAX_OUTSTANDING_BYTES",
    "Acknowledgement",
    "Committer",
    "Intake",
]

BATCH_SECONDS = 0.05
"""Time between the starts of two batches, unless ``BATCH_ENTRIES`` wait."""

BATCH_ENTRIES = 256
"""Waiting entries that start a batch before its time: a full entry bundle."""

MAX_OUTSTANDING = 4096
"""Entries that may wait for their answer; more are refused with BusyError."""

MAX_OUTSTANDING_BYTES = 2**26
"""Bytes that the waiting entries may have together."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """An entry's index, and the published checkpoint (size, root, note) that covers it."""

    index: int
    tree: TreeHead
    checkpoint: bytes


@dataclass(frozen=True, slots=True)
class _Waiting:
    entry: bytes
    answer: asyncio.Future[Acknowledgement]


class Committer(Protocol):
    """What the intake needs of a sequencer."""

    def commit(self, entries: Sequence[bytes], *, now: datetime) -> Sequenced:
        """Make entries durable and published; see ``Sequencer.commit``."""


class Intake:
    """The queue before a sequencer. Belongs to one event loop."""

    def __init__(
        self,
        sequencer: Committer,
        *,
        clock: Callable[[], datetime],
        stopped: Callable[[], None] = lambda: None,
    ) -> None:
        """``clock`` gives the aware time of signing; ``stopped`` is called when ``run`` ends."""
        self.failure: LogError | None = None
        self._sequencer = sequencer
        self._clock = clock
        self._stopped = stopped
        self._queue: list[_Waiting] = []
        self._outstanding = 0
        self._outstanding_bytes = 0
        self._open = True
        self._arrived = asyncio.Event()
        self._enough = asyncio.Event()

    async def add(self, entry: bytes) -> Acknowledgement:
        """Wait until ``entry`` (1 to 65,535 bytes) is in the published log.

        Raises BusyError if too many wait, StoppedError if the log cannot go on.
        """
        self._require_room(entry)
        answer = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(entry, answer))
        self._outstanding += 1
        self._outstanding_bytes += len(entry)
        self._arrived.set()
        if len(self._queue) >= BATCH_ENTRIES:
            self._enough.set()
        acknowledgement: Acknowledgement = await answer
        return acknowledgement

    async def run(self) -> None:
        """Sequence batches until ``drain`` is called and nothing waits, or the log fails.

        A failure is kept in ``failure``, and every waiting entry gets StoppedError.
        """
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="sequencer") as thread:
                while self.failure is None and await self._something_waits():
                    await self._sequence(self._next_batch(), thread)
        finally:
            self._open = False
            self._refuse(tuple(self._queue))
            self._queue.clear()
            self._stopped()

    def drain(self) -> None:
        """Take nothing new; ``run`` ends when everything that waits is answered."""
        self._open = False
        self._arrived.set()
        self._enough.set()

    async def _something_waits(self) -> bool:
        await self._arrived.wait()
        return bool(self._queue)

    def _next_batch(self) -> tuple[_Waiting, ...]:
        batch = tuple(self._queue)
        self._queue.clear()
        if self._open:
            self._arrived.clear()
            self._enough.clear()
        return batch

    async def _sequence(self, batch: tuple[_Waiting, ...], thread: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        entries = tuple(waiting.entry for waiting in batch)
        now = self._clock()
        next_start = loop.time() + BATCH_SECONDS
        try:
            done = await loop.run_in_executor(
                thread, lambda: self._sequencer.commit(entries, now=now)
            )
        except LogError as error:
            self.failure = error
            self._refuse(batch)
            return
        except BaseException:
            # A bug ends ``run`` and with it the server; nobody is left waiting for an answer.
            self._refuse(batch)
            raise
        finally:
            self._outstanding -= len(batch)
            self._outstanding_bytes -= sum(map(len, entries))
        for waiting, index in zip(batch, done.indices, strict=True):
            # A client that went away has cancelled its answer; its entry is logged all the same.
            if not waiting.answer.done():
                waiting.answer.set_result(Acknowledgement(index, done.tree, done.checkpoint))
        with suppress(TimeoutError):
            async with asyncio.timeout_at(next_start):
                await self._enough.wait()

    def _require_room(self, entry: bytes) -> None:
        if not self._open:
            raise StoppedError("log", expected="a log that takes entries", got="it is stopping")
        count, size = self._outstanding + 1, self._outstanding_bytes + len(entry)
        if count > MAX_OUTSTANDING or size > MAX_OUTSTANDING_BYTES:
            expected = f"at most {MAX_OUTSTANDING} entries and {MAX_OUTSTANDING_BYTES} bytes"
            raise BusyError("waiting entries", expected=expected, got="more")

    def _refuse(self, batch: tuple[_Waiting, ...]) -> None:
        for waiting in batch:
            if not waiting.answer.done():
                waiting.answer.set_exception(
                    StoppedError("log", expected="a durable entry", got=str(self.failure))
                )
